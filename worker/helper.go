package worker

import "os"

// HelperKind is what a process beside the workers is for.
type HelperKind string

// The kinds of helpers, forked from the zygote like workers.
const (
	Mule    HelperKind = "mule"
	Spooler HelperKind = "spooler"
)

// Helpers tells the runtime of the processes beside the workers and of the queues that lead to them.
type Helpers struct {
	Mules    []string `json:"mules"` // what each runs, "" = it waits for messages
	Farms    []Farm   `json:"farms"`
	RecvSize int      `json:"recv_size"` // longest message taken, 0 = whatever fits into the queue
	Spool    Spool    `json:"spool"`
	FDs      QueueFDs `json:"fds"` // filled in by NewZygote

	Caches     []Cache     `json:"caches"`
	CacheItems [][4]string `json:"cache_items"` // cache, key, and the value or a file that holds it
}

// Cache is shared memory of items; see worker/python/src/cachemap.py for what is in it.
type Cache struct {
	Name        string `json:"name"`
	Items       int    `json:"items"`
	Blocks      int    `json:"blocks"`
	BlockSize   int    `json:"blocksize"`
	KeySize     int    `json:"keysize"`
	Bitmap      bool   `json:"bitmap"`
	PurgeLRU    bool   `json:"purge_lru"`
	ClearOnFull bool   `json:"clear_on_full"`
	IgnoreFull  bool   `json:"ignore_full"`
	NoExpire    bool   `json:"no_expire"`
	MathInitial int64  `json:"math_initial"`
	Buckets     int    `json:"buckets"`
	Salt        string `json:"salt"`  // 16 letters that nobody outside knows
	Store       string `json:"store"` // file, "" = a memfd
}

// Size is how many bytes the runtime maps: its header, buckets, chains, items and blocks (cachemap.py).
func (c *Cache) Size() int64 {
	round := func(n, to int64) int64 { return (n + to - 1) / to * to }
	items := round(128+4*int64(c.Buckets)+4*int64(c.Blocks), 64)
	data := round(items+int64(c.Items)*(48+round(int64(c.KeySize), 8)), 64)
	return data + int64(c.Blocks)*int64(c.BlockSize)
}

// Farm is a group of mules with a queue of its own.
type Farm struct {
	Name  string `json:"name"`
	Mules []int  `json:"mules"` // ids
}

// Spool tells of the directories of tasks and of how spoolers work them off.
type Spool struct {
	Dirs      []SpoolDir `json:"dirs"`
	Processes int        `json:"processes"` // of each directory that is not external
	Frequency int        `json:"frequency"` // seconds
	Quiet     bool       `json:"quiet"`
	SigTask   bool       `json:"signal_as_task"` // signals count towards max_tasks
	MaxTasks  int        `json:"max_tasks"`
	Chdir     string     `json:"chdir"`
	Imports   []string   `json:"imports"`
}

// SpoolDir is a directory of tasks; others work off those of an external one.
type SpoolDir struct {
	Path     string `json:"path"`
	External bool   `json:"external"`
}

// Count is the number of spooler processes.
func (s *Spool) Count() int {
	n := 0
	for _, dir := range s.Dirs {
		if !dir.External {
			n += s.Processes
		}
	}
	return n
}

// Queues are the files through which processes are talked to, made once and inherited by everything that a zygote forks.
// A queue that is shared comes first in its list.
type Queues struct {
	Mules []Pair     // messages: of whichever mule is free, then of each mule
	Farms []Pair     // messages: of each farm
	Wake  []*os.File // of each spooler directory: an eventfd that says that there is a task

	Caches []*os.File // the memory of each cache

	// Signals, one byte each, read by the processes and written by the master.
	ToWorkers  []Pair // of whichever worker is free, then of each worker
	ToMules    []Pair // of whichever mule is free, then of each mule
	ToFarms    []Pair // of each farm
	ToSpoolers []Pair // of whichever spooler is free
}

// Pair is a socket pair: messages are written to W and read from R.
type Pair struct{ R, W *os.File }

// QueueFDs are the descriptors of Queues in the zygote, pairs as [read, write]; of signals there is only the end to read.
type QueueFDs struct {
	Mules [][2]int `json:"mules"`
	Farms [][2]int `json:"farms"`
	Wake  []int    `json:"wake"`

	Caches []int `json:"caches"`

	ToWorkers  []int `json:"to_workers"`
	ToMules    []int `json:"to_mules"`
	ToFarms    []int `json:"to_farms"`
	ToSpoolers []int `json:"to_spoolers"`
}

// layout gives each file of the queues its descriptor, from first on, and lists the files in that order.
func (q *Queues) layout(first int) (QueueFDs, []uintptr) {
	l := layout{first: first}
	fds := QueueFDs{Mules: l.pairs(q.Mules), Farms: l.pairs(q.Farms), Wake: l.ends(q.Wake), Caches: l.ends(q.Caches)}
	fds.ToWorkers, fds.ToMules = l.readers(q.ToWorkers), l.readers(q.ToMules)
	fds.ToFarms, fds.ToSpoolers = l.readers(q.ToFarms), l.readers(q.ToSpoolers)
	return fds, l.files
}

type layout struct {
	first int
	files []uintptr
}

func (l *layout) add(f *os.File) int {
	l.files = append(l.files, f.Fd())
	return l.first + len(l.files) - 1
}

func (l *layout) pairs(list []Pair) [][2]int {
	fds := make([][2]int, 0, len(list))
	for _, p := range list {
		r := l.add(p.R)
		fds = append(fds, [2]int{r, l.add(p.W)})
	}
	return fds
}

func (l *layout) ends(list []*os.File) []int {
	fds := make([]int, 0, len(list))
	for _, f := range list {
		fds = append(fds, l.add(f))
	}
	return fds
}

func (l *layout) readers(list []Pair) []int {
	fds := make([]int, 0, len(list))
	for _, p := range list {
		fds = append(fds, l.add(p.R))
	}
	return fds
}
