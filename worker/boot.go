package worker

import "gowsgi/serving"

// Conf is what the Python runtime is told, once, in the boot document (see docs/architecture.md, seam 3).
// Every field is plain data; Python reads it as a dict with these JSON names.
//
// budget: table, one row for each thing that the runtime has to know.
type Conf struct {
	Version      string       `json:"version"`       // gowsgi's own version
	UWSGIVersion string       `json:"uwsgi_version"` // what uwsgi.version says, "2.0.21"
	Fds          Fds          `json:"fds"`
	Sockets      []Listener   `json:"sockets"`
	Processes    int          `json:"processes"`
	Threads      int          `json:"threads"` // cores per worker, at least 1
	LazyApps     bool         `json:"lazy_apps"`
	NeedApp      bool         `json:"need_app"`
	Module       string       `json:"module"`    // "pkg.mod" or "pkg.mod:callable"
	WSGIFile     string       `json:"wsgi_file"` // a path in the jail
	Callable     string       `json:"callable"`  // "" = application, then app
	PythonPath   []string     `json:"pythonpath"`
	PyArgv       string       `json:"pyargv"`
	Node         string       `json:"node"`       // the real host's name: uwsgi.hostname, environ uwsgi.node
	MasterPID    int          `json:"master_pid"` // as the jail sees it
	Drop         *Drop        `json:"drop"`       // what Python becomes after the import, nil: nothing
	BufferSize   int          `json:"buffer_size"`
	Timeout      int          `json:"socket_timeout"` // seconds
	LogRequests  bool         `json:"log_requests"`
	LogJSON      bool         `json:"log_json"`
	LogFD        int          `json:"log_fd"`      // where request lines and the runtime's own go; set by NewZygote, as the next two
	LogChannel   bool         `json:"log_channel"` // log_fd is the log channel: one packet a line, the first byte is o (own) or r (request)
	LogDate      string       `json:"log_date"`    // strftime format before each line of the runtime's own, "" = none
	RequestLog   RequestLog   `json:"request_log"`
	LogPipes     []int        `json:"log_pipes"` // 1 and 2 of each worker, mule and spooler; none: as the zygote's
	PostBuf      int64        `json:"post_buffering"`
	Script       bool         `json:"manage_script_name"`
	MaxRequests  int64        `json:"max_requests"`       // a worker says `served` after so many, 0 = never
	MaxReqDelta  int64        `json:"max_requests_delta"` // times (worker id - 1) is added, so that workers do not leave together
	StackOnUSR2  bool         `json:"stack_on_usr2"`      // SIGUSR2 writes the Python stacks of all threads to the log
	NoWrapper    bool         `json:"wsgi_disable_file_wrapper"`
	CatchExc     bool         `json:"catch_exceptions"`
	Harakiri     int          `json:"harakiri"`   // seconds; the watchdog answers for requests that take longer, 0 = there is none
	Exceptions   *Exceptions  `json:"exceptions"` // after which a worker says `monitored`, nil = none
	Procname     string       `json:"procname"`
	ProcPrefix   string       `json:"procname_prefix"`
	ProcAppend   string       `json:"procname_append"`
	CPUAffinity  int          `json:"cpu_affinity"`      // processors a worker is bound to, 0 = all
	StackSize    int          `json:"threads_stacksize"` // kilobytes, 0 = the system's
	SkipAtexit   bool         `json:"skip_atexit"`
	NoThreadWait bool         `json:"no_threads_wait"` // the app's own threads do not keep a worker from leaving
	WorkerExec   string       `json:"worker_exec"`     // command that a worker becomes, instead of serving the app
	Hooks        []Hook       `json:"hooks"`           // of the phases that are a worker's own, in order
	Serve        *Serve       `json:"serve"`           // nil when nothing stands between a request and the app
	Apps         serving.Apps `json:"apps"`
	Opt          [][2]string  `json:"opt"` // resolved options in order; a flag has the value ""
	Helpers      Helpers      `json:"helpers"`
}

// Exceptions are those of the app after which a worker is replaced.
type Exceptions struct {
	Any    bool     `json:"any"`
	Types  []string `json:"types"` // names, with or without the module
	Values []string `json:"values"`
	Reprs  []string `json:"reprs"` // name: value
}

// RequestLog says which requests are logged, and how.
type RequestLog struct {
	All      bool   `json:"all"`      // else only those that the conditions name
	Format   string `json:"format"`   // log-format, "" = the default line
	Strftime string `json:"strftime"` // format of %(ftime), "" = as %(ltime)
	Escape   bool   `json:"escape"`   // the format is JSON: so are its values
	Micros   bool   `json:"micros"`
	XFF      bool   `json:"x_forwarded_for"`
	Memory   bool   `json:"memory"`
	E4xx     bool   `json:"e4xx"`
	E5xx     bool   `json:"e5xx"`
	Zero     bool   `json:"zero"`
	Sendfile bool   `json:"sendfile"`
	IOError  bool   `json:"ioerror"`
	Slow     int    `json:"slow"` // milliseconds, 0 = never
	Big      int64  `json:"big"`  // bytes, 0 = never
}

// Hook is one hook that a worker or mule runs itself; the phases are post-fork, accepting, accepting-once, accepting1, accepting1-once and as-mule.
type Hook struct {
	Phase  string `json:"phase"`
	Action string `json:"action"`
	Arg    string `json:"arg"`
	Shown  string `json:"shown"` // for the log
}

// WorkerActions are the actions that the runtime knows; a worker is no place for the others.
var WorkerActions = []string{"cd", "chdir", "putenv", "exec", "safeexec", "print", "log", "create", "creat", "write", "writen", "append", "appendn", "mkdir", "unlink", "chmod", "exit", "alarm"}

// Fds are descriptor numbers in the zygote.
type Fds struct {
	Channel  int `json:"channel"`
	Board    int `json:"board"`
	Lifeline int `json:"lifeline"`
}

// Listener is one listening socket handed to the workers.
type Listener struct {
	FD     int    `json:"fd"`
	Proto  string `json:"proto"`  // uwsgi, http, http11
	Family string `json:"family"` // inet, inet6, unix
	Addr   string `json:"addr"`   // as configured

	Timeout int      `json:"timeout"` // seconds a client may stay silent within a request; 0 = socket_timeout
	Send    int      `json:"send"`    // seconds it may take no data; 0 = the timeout, also for the next two
	Idle    int      `json:"idle"`    // seconds that a kept connection may wait for its next request
	Head    int      `json:"head"`    // seconds that the head of a request may take
	Proxy   bool     `json:"proxy"`   // connections may begin with a PROXY line
	Front   bool     `json:"front"`   // asked for as http: requests have Vars and REMOTE_PORT
	Vars    []string `json:"vars"`    // NAME=value
	Workers []int    `json:"workers"` // the workers that serve it, empty = all
}
