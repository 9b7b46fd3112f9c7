package worker

import (
	"fmt"
	"strconv"
	"strings"
)

// MessageKind is the first word of a message on the zygote channel.
type MessageKind string

// The messages that the runtime sends (docs/architecture.md, seam 3).
const (
	Loaded MessageKind = "loaded"
	Forked MessageKind = "forked"
	Ready  MessageKind = "ready"
	// Unforked says that the fork that was asked for could not be done.
	Unforked MessageKind = "unforked"
	// Served says that a worker has answered max-requests requests and wants to be replaced; it serves on until told.
	Served MessageKind = "served"
	// Monitored says that a worker's app raised an exception that the configuration names; it serves on until told.
	Monitored MessageKind = "monitored"
	Reload    MessageKind = "reload"
	Stop      MessageKind = "stop"
	// RaiseAlarm is uwsgi.alarm().
	RaiseAlarm MessageKind = "alarm"
	// Started and Unstarted answer StartCommand, as Forked and Unforked do ForkCommand.
	Started   MessageKind = "started"
	Unstarted MessageKind = "unstarted"

	// The framework of uwsgi signals (master/usignal.go).
	Signal   MessageKind = "signal"
	Register MessageKind = "register"
	Timer    MessageKind = "timer"
	SigCron  MessageKind = "sigcron"
	FileMon  MessageKind = "filemon"
)

// MaxMessage is the longest packet, in bytes, that the master reads from the channel; the runtime's own
// are below 100 but for alarms, whose text is up to 8192.
const MaxMessage = 9 << 10

// Message is one packet from the zygote, an intermediate child or a worker. Whoever runs the app can write to the
// channel, so every field is only a claim: the master checks it against what it knows from wait4.
type Message struct {
	Kind MessageKind
	Slot int    // 1-based worker id
	Seq  uint64 // the number of the fork request that is answered
	PID  int    // as the jail sees it
	OK   bool   // loaded and ready: an application is there
	Usec int64  // loaded: duration of the import, microseconds
	Name string // alarm
	Text string // alarm; register: target, filemon: path

	Helper HelperKind // started, unstarted; the helper's id is in Slot

	Signal byte   // number of the uwsgi signal
	Times  int64  // timer: how often, 0 = for ever; its period is in Usec
	Cron   [5]int // sigcron: minute, hour, day, month, day of the week; -1 = any, -n = every n
}

// ParseMessage reads one packet. It returns an error that quotes the packet when a word is missing, is not a number or
// is out of range; it never panics.
func ParseMessage(packet []byte) (Message, error) {
	if rest, ok := strings.CutPrefix(string(packet), string(RaiseAlarm)+" "); ok {
		name, text, _ := strings.Cut(rest, " ")
		return Message{Kind: RaiseAlarm, Name: name, Text: text}, nil
	}
	words := strings.Split(string(packet), " ")
	m := Message{Kind: MessageKind(words[0])}
	p := &wordReader{words: words[1:]}
	switch m.Kind {
	case Signal, Register, Timer, SigCron, FileMon:
		p.signal(&m)
	case Loaded:
		m.OK, m.Usec = p.flag(), p.number(1<<53)
	case Forked:
		m.Slot, m.Seq, m.PID = int(p.positive(maxSlot)), uint64(p.number(1<<62)), int(p.positive(maxPID))
	case Unforked:
		m.Slot, m.Seq = int(p.positive(maxSlot)), uint64(p.number(1<<62))
	case Ready:
		m.Slot, m.PID, m.OK = int(p.positive(maxSlot)), int(p.positive(maxPID)), p.flag()
	case Served, Monitored:
		m.Slot, m.PID = int(p.positive(maxSlot)), int(p.positive(maxPID))
	case Reload, Stop:
	case Started, Unstarted:
		m.Helper = p.helper()
		m.Slot, m.Seq = int(p.positive(maxSlot)), uint64(p.number(1<<62))
		if m.Kind == Started {
			m.PID = int(p.positive(maxPID))
		}
	default:
		return Message{}, fmt.Errorf("cannot read worker message %.80q: unknown word", packet)
	}
	if p.err != "" {
		return Message{}, fmt.Errorf("cannot read worker message %.80q: %s", packet, p.err)
	}
	if len(p.words) != 0 {
		return Message{}, fmt.Errorf("cannot read worker message %.80q: too many words", packet)
	}
	return m, nil
}

const (
	maxPeriod = 1 << 53 // microseconds

	maxSlot = 1 << 20
	maxPID  = 1 << 22 // PID_MAX_LIMIT on 64-bit kernels (proc(5))
)

// wordReader takes words one by one and keeps the first error.
type wordReader struct {
	words []string
	err   string
}

func (p *wordReader) number(limit int64) int64 {
	if len(p.words) == 0 {
		p.fail("a word is missing")
		return 0
	}
	word := p.words[0]
	p.words = p.words[1:]
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < 0 || n > limit {
		p.fail("number out of range")
		return 0
	}
	return n
}

func (p *wordReader) positive(limit int64) int64 {
	n := p.number(limit)
	if n == 0 {
		p.fail("zero where a positive number must be")
	}
	return n
}

func (p *wordReader) flag() bool { return p.number(1) == 1 }

// signal reads what the kinds of the signal framework have; a text takes the rest of the packet.
func (p *wordReader) signal(m *Message) {
	m.Signal = byte(p.number(255))
	switch m.Kind {
	case Timer:
		m.Usec, m.Times = p.positive(maxPeriod), p.number(1<<31)
	case SigCron:
		for i := range m.Cron {
			m.Cron[i] = p.within(-60, 60)
		}
	case Register, FileMon:
		m.Text, p.words = strings.Join(p.words, " "), nil
		if m.Kind == FileMon && m.Text == "" || strings.ContainsRune(m.Text, 0) {
			p.fail("no path")
		}
	}
}

func (p *wordReader) within(low, high int) int {
	if len(p.words) > 0 && strings.HasPrefix(p.words[0], "-") {
		p.words[0] = p.words[0][1:]
		return -int(p.number(int64(-low)))
	}
	return int(p.number(int64(high)))
}

func (p *wordReader) helper() HelperKind {
	if len(p.words) == 0 {
		p.fail("a word is missing")
		return ""
	}
	kind := HelperKind(p.words[0])
	p.words = p.words[1:]
	if kind != Mule && kind != Spooler {
		p.fail("no kind of process")
	}
	return kind
}

func (p *wordReader) fail(why string) {
	if p.err == "" {
		p.err = why
	}
}

// ForkCommand asks the zygote for a worker in a slot, which has been filled spawns times before; the answer carries the
// same seq.
func ForkCommand(slot int, seq uint64, spawns int) []byte {
	return fmt.Appendf(nil, "fork %d %d %d", slot, seq, spawns)
}

// StartCommand asks the zygote for a helper; the answer carries the same seq.
func StartCommand(kind HelperKind, id int, seq uint64, spawns int) []byte {
	return fmt.Appendf(nil, "start %s %d %d %d", kind, id, seq, spawns)
}

// QuitCommand tells the zygote to exit.
func QuitCommand() []byte { return []byte("quit") }
