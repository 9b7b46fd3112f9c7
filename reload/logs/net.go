package logs

import (
	"bytes"
	"fmt"
	"log/syslog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// datagrams sends each line as a packet, to a UDP address or a unix socket.
type datagrams struct {
	network, addr string
	head          func(now time.Time) string // before each line, nil: nothing
	conn          net.Conn
}

func (t *datagrams) write(buf []byte, ends []int) error {
	var failed error
	start := 0
	for _, end := range ends {
		for line := range split(buf[start:end]) {
			if err := t.send(line); err != nil {
				failed = err
			}
		}
		start = end
	}
	return failed
}

// send tries a second time with a new connection: the receiver may have been started again.
func (t *datagrams) send(line []byte) error {
	packet := append(bytes.Clone(line), '\n')
	if t.head != nil {
		packet = append([]byte(t.head(time.Now())), line...)
	}
	var err error
	for range 2 {
		if t.conn == nil {
			if t.conn, err = net.Dial(t.network, t.addr); err != nil {
				t.conn = nil
				return err
			}
		}
		if _, err = t.conn.Write(packet); err == nil {
			return nil
		}
		_ = t.close()
	}
	return err
}

func (t *datagrams) reopen() (string, error) { return "", t.close() }
func (t *datagrams) rotate() (string, error) { return "", nil }

func (t *datagrams) close() error {
	if t.conn == nil {
		return nil
	}
	err := t.conn.Close()
	t.conn = nil
	return err
}

// toSyslog writes to the syslog of this machine.
type toSyslog struct {
	tag      string
	priority syslog.Priority
	w        *syslog.Writer
}

func (t *toSyslog) write(buf []byte, ends []int) error {
	if t.w == nil {
		w, err := syslog.New(t.priority, t.tag)
		if err != nil {
			return err
		}
		t.w = w
	}
	var failed error
	for line := range split(buf) {
		if _, err := t.w.Write(line); err != nil {
			failed = err
		}
	}
	return failed
}

func (t *toSyslog) reopen() (string, error) { return "", t.close() }
func (t *toSyslog) rotate() (string, error) { return "", nil }

func (t *toSyslog) close() error {
	if t.w == nil {
		return nil
	}
	err := t.w.Close()
	t.w = nil
	return err
}

var facilities = map[string]syslog.Priority{
	"kern": syslog.LOG_KERN, "user": syslog.LOG_USER, "mail": syslog.LOG_MAIL, "daemon": syslog.LOG_DAEMON, "auth": syslog.LOG_AUTH,
	"syslog": syslog.LOG_SYSLOG, "lpr": syslog.LOG_LPR, "news": syslog.LOG_NEWS, "uucp": syslog.LOG_UUCP, "cron": syslog.LOG_CRON,
	"authpriv": syslog.LOG_AUTHPRIV, "ftp": syslog.LOG_FTP, "local0": syslog.LOG_LOCAL0, "local1": syslog.LOG_LOCAL1, "local2": syslog.LOG_LOCAL2,
	"local3": syslog.LOG_LOCAL3, "local4": syslog.LOG_LOCAL4, "local5": syslog.LOG_LOCAL5, "local6": syslog.LOG_LOCAL6, "local7": syslog.LOG_LOCAL7,
}

// OpenSink makes the sink of a logger: TYPE and its argument.
func OpenSink(kind, arg string, notice func(uint64) []byte) (*Sink, error) {
	t, err := openTarget(kind, arg)
	if err != nil {
		return nil, fmt.Errorf("cannot use the logger %s:%s: %w", kind, arg, err)
	}
	s := newSink(strings.TrimSuffix(kind+":"+arg, ":"), t, defaultLimit)
	s.notice = notice
	return s, nil
}

func openTarget(kind, arg string) (target, error) {
	switch kind {
	case "stdio":
		f, err := dup(1)
		return &stream{f: f}, err
	case "fd":
		n := 2
		if arg != "" {
			var err error
			if n, err = strconv.Atoi(arg); err != nil {
				return nil, fmt.Errorf("%q is not the number of a descriptor", arg)
			}
		}
		f, err := dup(n)
		return &stream{f: f}, err
	case "file":
		return openFileLogger(arg)
	case "socket":
		if strings.Contains(arg, "/") || strings.HasPrefix(arg, "@") {
			return &datagrams{network: "unixgram", addr: arg}, nil
		}
		return &datagrams{network: "udp", addr: arg}, nil
	case "syslog":
		tag, facility, named := strings.Cut(arg, ",")
		priority, known := facilities[facility]
		if !named {
			priority, known = syslog.LOG_DAEMON, true
		}
		if !known {
			return nil, fmt.Errorf("there is no facility %q", facility)
		}
		if tag == "" {
			tag = "uwsgi"
		}
		return &toSyslog{tag: tag, priority: priority | syslog.LOG_INFO}, nil
	case "rsyslog":
		return openRsyslog(arg)
	}
	return nil, fmt.Errorf("there is no such logger")
}

// openFileLogger reads a path, or logfile=PATH,maxsize=N,backupname=PATH.
func openFileLogger(arg string) (target, error) {
	var o FileOptions
	path := arg
	if strings.HasPrefix(arg, "logfile=") || strings.Contains(arg, ",logfile=") {
		for pair := range strings.SplitSeq(arg, ",") {
			key, value, _ := strings.Cut(pair, "=")
			switch key {
			case "logfile":
				path = value
			case "backupname":
				o.Backup = value
			case "maxsize":
				n, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					return nil, fmt.Errorf("maxsize %q is not a number", value)
				}
				o.MaxSize = n
			default:
				return nil, fmt.Errorf("there is no key %q (logfile, maxsize, backupname)", key)
			}
		}
	}
	return newFile(HostPlace(path), o)
}

// openRsyslog reads HOST[:PORT][,NAME[,PRIORITY]].
func openRsyslog(arg string) (target, error) {
	words := strings.Split(arg, ",")
	addr, name, priority := words[0], "", 29
	if !strings.Contains(addr, ":") {
		addr += ":514"
	}
	if len(words) > 1 {
		name = words[1]
	}
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		name = host
	}
	if len(words) > 2 {
		n, err := strconv.Atoi(words[2])
		if err != nil || n < 0 || n > 191 {
			return nil, fmt.Errorf("priority %q is not a number from 0 to 191", words[2])
		}
		priority = n
	}
	head := func(now time.Time) string { return fmt.Sprintf("<%d>%s %s: ", priority, now.Format(time.Stamp), name) }
	return &datagrams{network: "udp", addr: addr, head: head}, nil
}
