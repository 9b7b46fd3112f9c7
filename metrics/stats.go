package metrics

import (
	"bytes"
	"encoding/json"
	"time"
)

// Document is the stats server's JSON document: uWSGI's keys in uWSGI's order, and ours at the end under "gowsgi". It
// is made by Stats and read by DecodeStats; a real uWSGI's document decodes too, without the last key. Times are unix
// seconds, times spent microseconds, memory bytes.
type Document struct {
	Version           string           `json:"version"`
	ListenQueue       int64            `json:"listen_queue"`
	ListenQueueErrors int64            `json:"listen_queue_errors"`
	SignalQueue       int64            `json:"signal_queue"`
	Load              int64            `json:"load"`
	PID               int              `json:"pid"`
	UID               int              `json:"uid"`
	GID               int              `json:"gid"`
	CWD               string           `json:"cwd"`
	Daemons           []DaemonDoc      `json:"daemons,omitempty"`
	Locks             []map[string]int `json:"locks"`
	Metrics           MetricList       `json:"metrics,omitempty"` // with enable-metrics
	Sockets           []SocketDoc      `json:"sockets"`
	Workers           []WorkerDoc      `json:"workers"`
	Spoolers          []SpoolerDoc     `json:"spoolers,omitempty"`
	Crons             []CronDoc        `json:"crons,omitempty"`
	Gowsgi            *GowsgiDoc       `json:"gowsgi,omitempty"`
}

// DaemonDoc is an attached daemon in the document.
type DaemonDoc struct {
	Command  string `json:"cmd"`
	PID      int    `json:"pid"`
	Respawns int64  `json:"respawns"`
}

// SocketDoc is a listening socket in the document.
type SocketDoc struct {
	Name       string `json:"name"`
	Proto      string `json:"proto"`
	Queue      int64  `json:"queue"`
	MaxQueue   int64  `json:"max_queue"`
	Shared     int    `json:"shared"`
	CanOffload int    `json:"can_offload"`
}

// WorkerDoc is a worker in the document. Its id is 0 until it was started once, as in uWSGI.
type WorkerDoc struct {
	ID            int       `json:"id"`
	PID           int       `json:"pid"`
	Accepting     int       `json:"accepting"`
	Requests      int64     `json:"requests"`
	DeltaRequests int64     `json:"delta_requests"`
	Exceptions    int64     `json:"exceptions"`
	HarakiriCount int64     `json:"harakiri_count"`
	Signals       int64     `json:"signals"`
	SignalQueue   int64     `json:"signal_queue"`
	Status        string    `json:"status"`
	RSS           int64     `json:"rss"`
	VSZ           int64     `json:"vsz"`
	RunningTime   int64     `json:"running_time"`
	LastSpawn     int64     `json:"last_spawn"`
	RespawnCount  int64     `json:"respawn_count"`
	TX            int64     `json:"tx"`
	AvgRT         int64     `json:"avg_rt"`
	Apps          []AppDoc  `json:"apps"`
	Cores         []CoreDoc `json:"cores,omitzero"`
}

// AppDoc is an application of a worker in the document.
type AppDoc struct {
	ID          int    `json:"id"`
	Modifier1   int    `json:"modifier1"`
	Mountpoint  string `json:"mountpoint"`
	StartupTime int64  `json:"startup_time"`
	Requests    int64  `json:"requests"`
	Exceptions  int64  `json:"exceptions"`
	Chdir       string `json:"chdir"`
}

// CoreDoc is a core of a worker in the document. Vars is always empty: uWSGI puts the running request's variables
// there, cookies and Authorization included, for everyone who can connect.
type CoreDoc struct {
	ID                int        `json:"id"`
	Requests          int64      `json:"requests"`
	StaticRequests    int64      `json:"static_requests"`
	RoutedRequests    int64      `json:"routed_requests"`
	OffloadedRequests int64      `json:"offloaded_requests"`
	WriteErrors       int64      `json:"write_errors"`
	ReadErrors        int64      `json:"read_errors"`
	InRequest         int        `json:"in_request"`
	Vars              []string   `json:"vars"`
	ReqInfo           ReqInfoDoc `json:"req_info"`
}

// ReqInfoDoc is a running request in the document, empty when none runs.
type ReqInfoDoc struct {
	RequestStart int64 `json:"request_start,omitempty"`
}

// SpoolerDoc is a spooler in the document.
type SpoolerDoc struct {
	Dir      string `json:"dir"`
	PID      int    `json:"pid"`
	Tasks    int64  `json:"tasks"`
	Respawns int64  `json:"respawns"`
	Running  int    `json:"running"`
}

// MuleDoc is a mule in the document; uWSGI's has none.
type MuleDoc struct {
	ID       int    `json:"id"`
	PID      int    `json:"pid"`
	Program  string `json:"program,omitempty"`
	Messages int64  `json:"messages"`
	Signals  int64  `json:"signals"`
	Respawns int64  `json:"respawns"`
	Busy     int    `json:"busy"`
}

// CronDoc is a cron command in the document.
type CronDoc struct {
	Minute    int    `json:"minute"`
	Hour      int    `json:"hour"`
	Day       int    `json:"day"`
	Month     int    `json:"month"`
	Week      int    `json:"week"`
	Command   string `json:"command"`
	Unique    int    `json:"unique"`
	Legion    string `json:"legion"`
	PID       int    `json:"pid"`
	StartedAt int64  `json:"started_at"`
}

// GowsgiDoc is what uWSGI's document has no place for.
type GowsgiDoc struct {
	Generation     uint64            `json:"generation"`
	StartedAt      int64             `json:"started_at"`
	Time           float64           `json:"time"` // of the snapshot, unix seconds
	WorkersWanted  int               `json:"workers_wanted"`
	Processes      map[string]int    `json:"processes"` // by status
	Requests       int64             `json:"requests"`  // of all workers, those of ended generations too
	Exceptions     int64             `json:"exceptions"`
	TX             int64             `json:"tx"`
	RSS            int64             `json:"rss"`
	Harakiri       int64             `json:"harakiri"`
	Respawns       int64             `json:"respawns"`
	MasterRespawns int64             `json:"master_respawns"`
	Deaths         map[string]int64  `json:"deaths"` // by cause, those that happened
	Reloads        ReloadsDoc        `json:"reloads"`
	JailBuild      float64           `json:"jail_build_seconds"` // the last
	Workers        []GowsgiWorkerDoc `json:"workers"`
	Mules          []MuleDoc         `json:"mules,omitempty"`
	Jail           json.RawMessage   `json:"jail,omitempty"` // the record of the self-audit
}

// ReloadsDoc is the history of reloads in the document.
type ReloadsDoc struct {
	OK         int64            `json:"ok"`
	Failed     int64            `json:"failed"`
	Reasons    map[string]int64 `json:"reasons"` // of the failed, those that happened
	LastOK     int64            `json:"last_ok"`
	LastFailed int64            `json:"last_failed"`
	LastError  string           `json:"last_error"`
}

// GowsgiWorkerDoc is a worker's part under "gowsgi", in the order of "workers".
type GowsgiWorkerDoc struct {
	ID         int              `json:"id"`
	Generation uint64           `json:"generation"`
	State      string           `json:"state"`
	Deaths     map[string]int64 `json:"deaths"`
}

// StatsOptions says how the document is shown: stats-minified, stats-no-cores and stats-no-metrics.
type StatsOptions struct {
	Minified  bool
	NoCores   bool
	NoMetrics bool
}

// Stats returns the stats server's JSON document, indented with tabs as uWSGI's unless minified.
func Stats(snap Snapshot, info Info, opt StatsOptions) []byte {
	doc := NewDocument(snap, info)
	if opt.NoCores {
		for i := range doc.Workers {
			doc.Workers[i].Cores = nil
		}
	}
	if opt.NoMetrics {
		doc.Metrics = nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil { // plain structs of numbers and strings: nothing in them can fail
		return []byte("{}")
	}
	text := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if opt.Minified {
		return text
	}
	return indent(text)
}

// DecodeStats reads a stats document, ours or uWSGI's.
func DecodeStats(text []byte) (*Document, error) {
	doc := new(Document)
	if err := json.Unmarshal(text, doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// indent spreads compact JSON over lines in uWSGI's form: tabs, and no space after a colon (tools cut it with grep).
func indent(compact []byte) []byte {
	out := make([]byte, 0, 2*len(compact))
	depth, quoted := 0, false
	line := func() {
		out = append(out, '\n')
		for range depth {
			out = append(out, '\t')
		}
	}
	for i := 0; i < len(compact); i++ {
		c := compact[i]
		switch {
		case quoted && c == '\\' && i+1 < len(compact):
			out = append(out, c, compact[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			out = append(out, c)
			depth++
			line()
			continue
		case c == '}' || c == ']':
			depth--
			line()
		case c == ',':
			out = append(out, c)
			line()
			continue
		}
		out = append(out, c)
	}
	return out
}

func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
