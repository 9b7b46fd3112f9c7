package metrics

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The format of the scoreboard; docs/architecture.md draws it. All numbers are in native byte order.
const (
	boardMagic   = 0x42535747 // "GWSB"
	boardVersion = 2
	headerSize   = 4096
	masterSize   = 256
	coreSize     = 256

	// MaxSlots and MaxCores bound a board's dimensions, maxBoard its size in bytes (untouched pages cost nothing).
	MaxSlots = 1 << 16
	MaxCores = 1 << 16
	maxBoard = 1 << 30
)

// Offsets of the header's fields.
const (
	hdrMagic      = 0
	hdrVersion    = 4
	hdrSlots      = 8
	hdrCores      = 12
	hdrStride     = 16
	hdrCoreStride = 20
	hdrMasterSize = 24
	hdrRows       = 28
	hdrGeneration = 32
	hdrPaused     = 64 // u32, written by the master: 1 = workers take no connection
)

// Board is one generation's scoreboard, mapped shared. Its dimensions are fixed when it is made or opened and kept
// outside the shared memory, so that a jail that scribbles over the header changes nothing for the other side.
//
// Reads and writes may run concurrently in any number of processes and goroutines, as long as each field has one
// writer. Close must not run concurrently with them. A slot or core outside the board is ignored by writers and reads
// as zero: PID 1 does not crash over a figure.
type Board struct {
	file       *os.File
	mem        []byte
	slots      int
	cores      int
	rows       int // of metrics
	generation uint64
}

func boardStride(cores int) int { return masterSize + cores*coreSize }

func boardSize(slots, cores, rows int) int {
	return headerSize + slots*boardStride(cores) + rows*rowSize
}

func checkDimensions(slots, cores, rows int) error {
	if slots < 1 || slots > MaxSlots || cores < 1 || cores > MaxCores {
		return fmt.Errorf("%d slots of %d cores: want 1 to %d slots and 1 to %d cores", slots, cores, MaxSlots, MaxCores)
	}
	if rows < 0 || rows > maxRows {
		return fmt.Errorf("%d metrics: want 0 to %d", rows, maxRows)
	}
	if size := int64(headerSize) + int64(slots)*int64(boardStride(cores)) + int64(rows)*rowSize; size > maxBoard {
		return fmt.Errorf("%d slots of %d cores take %d bytes, more than %d", slots, cores, size, maxBoard)
	}
	return nil
}

// NewBoard makes the scoreboard of a generation: an anonymous file (memfd_create(2)) that cannot be resized any more
// (F_SEAL_SHRINK, so that no process of the jail can make the parent's reads fault with SIGBUS, and F_SEAL_GROW) and,
// where the kernel knows it (MFD_NOEXEC_SEAL, Linux 6.3), not be executed. All counters are zero; the rows of metrics
// have the values that are given.
func NewBoard(slots, cores int, generation uint64, rows ...MetricRow) (*Board, error) {
	if err := errors.Join(checkDimensions(slots, cores, len(rows)), checkRows(rows)); err != nil {
		return nil, fmt.Errorf("cannot make scoreboard: %v", err)
	}
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("gowsgi-board", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("gowsgi-board", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot create scoreboard memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "scoreboard")
	b, err := fillBoard(f, &Board{slots: slots, cores: cores, rows: len(rows), generation: generation})
	if err != nil {
		f.Close()
		return nil, err
	}
	b.fillRows(rows)
	return b, nil
}

// fillBoard makes the memory of a board with the dimensions of like, and its header.
func fillBoard(f *os.File, like *Board) (*Board, error) {
	size := boardSize(like.slots, like.cores, like.rows)
	if err := unix.Ftruncate(int(f.Fd()), int64(size)); err != nil {
		return nil, fmt.Errorf("cannot size scoreboard to %d bytes: %w", size, err)
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("cannot seal scoreboard: %w", err)
	}
	b, err := mapBoard(f, like)
	if err != nil {
		return nil, err
	}
	b.store32(hdrVersion, boardVersion)
	b.store32(hdrSlots, uint32(b.slots))
	b.store32(hdrCores, uint32(b.cores))
	b.store32(hdrStride, uint32(boardStride(b.cores)))
	b.store32(hdrCoreStride, coreSize)
	b.store32(hdrMasterSize, masterSize)
	b.store32(hdrRows, uint32(b.rows))
	b.store64(hdrGeneration, b.generation)
	b.store32(hdrMagic, boardMagic)
	return b, nil
}

func mapBoard(f *os.File, like *Board) (*Board, error) {
	mem, err := unix.Mmap(int(f.Fd()), 0, boardSize(like.slots, like.cores, like.rows), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot map scoreboard: %w", err)
	}
	b := *like
	b.file, b.mem = f, mem
	return &b, nil
}

// OpenBoard maps a scoreboard made by NewBoard in another process: the master's side. The header is validated and
// compared with the file's size; the file must be sealed against shrinking. On success the board owns f, on an error
// f stays the caller's.
func OpenBoard(f *os.File) (*Board, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("cannot open scoreboard: %w", err)
	}
	if st.Size < headerSize || st.Size > maxBoard {
		return nil, fmt.Errorf("cannot open scoreboard: size %d is not within %d to %d", st.Size, headerSize, maxBoard)
	}
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open scoreboard: cannot read seals: %w", err)
	}
	if seals&unix.F_SEAL_SHRINK == 0 {
		return nil, errors.New("cannot open scoreboard: it is not sealed against shrinking")
	}
	var head [headerSize]byte
	if n, err := unix.Pread(int(f.Fd()), head[:], 0); err != nil || n != headerSize {
		return nil, fmt.Errorf("cannot read header of scoreboard: %d bytes: %v", n, err)
	}
	like, err := parseHeader(head[:], st.Size)
	if err != nil {
		return nil, fmt.Errorf("cannot open scoreboard: %w", err)
	}
	return mapBoard(f, like)
}

// Slots returns the number of workers the board has room for.
func (b *Board) Slots() int { return b.slots }

// Cores returns the number of cores (threads) of each worker.
func (b *Board) Cores() int { return b.cores }

// Generation returns the generation the board was made for.
func (b *Board) Generation() uint64 { return b.generation }

// File returns the memory's file, to be handed to the master. The board keeps owning it.
func (b *Board) File() *os.File { return b.file }

// Close unmaps the board and closes its file. A board in a Store is retired first. Closing twice is harmless.
func (b *Board) Close() error {
	if b.mem == nil {
		return nil
	}
	err := unix.Munmap(b.mem)
	b.mem = nil
	if cerr := b.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("cannot close scoreboard: %w", err)
	}
	return nil
}

// masterOff returns where a slot's master area starts.
func (b *Board) masterOff(slot int) (off int, ok bool) {
	if slot < 0 || slot >= b.slots || b.mem == nil {
		return 0, false
	}
	return headerSize + slot*boardStride(b.cores), true
}

// coreOff returns where a core's area starts.
func (b *Board) coreOff(slot, core int) (off int, ok bool) {
	off, ok = b.masterOff(slot)
	if !ok || core < 0 || core >= b.cores {
		return 0, false
	}
	return off + masterSize + core*coreSize, true
}

// The accessors index the mapping with its length checked; offsets are multiples of the field's size and the mapping
// starts on a page, so every access is aligned.

func (b *Board) ptr32(off int) *uint32 { return (*uint32)(unsafe.Pointer(&b.mem[off : off+4][0])) }
func (b *Board) ptr64(off int) *uint64 { return (*uint64)(unsafe.Pointer(&b.mem[off : off+8][0])) }

func (b *Board) load32(off int) uint32     { return atomic.LoadUint32(b.ptr32(off)) }
func (b *Board) load64(off int) uint64     { return atomic.LoadUint64(b.ptr64(off)) }
func (b *Board) store32(off int, v uint32) { atomic.StoreUint32(b.ptr32(off), v) }
func (b *Board) store64(off int, v uint64) { atomic.StoreUint64(b.ptr64(off), v) }
func (b *Board) add64(off int, n uint64)   { atomic.AddUint64(b.ptr64(off), n) }
