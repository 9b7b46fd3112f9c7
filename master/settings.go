package master

import (
	"time"

	"gowsgi/jail"
	"gowsgi/jail/hook"
	"gowsgi/worker"
)

// Settings is the payload of the boot frame: everything that the master is told, made from the configuration by cmd.
type Settings struct {
	Conf          worker.Conf    `json:"conf"`
	Interpreter   string         `json:"interpreter"` // "" = look for one in the jail
	Home          string         `json:"home"`        // virtualenv, as the jail sees it
	Env           []string       `json:"env"`         // whole environment of the app, K=V
	DieOnTerm     bool           `json:"die_on_term"`
	ContainerInit bool           `json:"container_init"` // the parent is PID 1 of a container
	MercySeconds  int            `json:"mercy_seconds"`  // worker-reload-mercy
	NeedApp       bool           `json:"need_app"`
	Limits        Limits         `json:"limits"`
	Cheaper       Cheaper        `json:"cheaper"`
	Helpers       HelperSettings `json:"helpers"`
	Signals       SignalSettings `json:"signals"`
	Sleep         Sleep          `json:"sleep"`
	TickSeconds   int            `json:"tick_seconds"`        // between two looks at the workers, 0 = 1
	Title         string         `json:"title"`               // of the master in ps, "" = as it is
	Resources     []jail.Limit   `json:"resources,omitempty"` // of the app's processes, beside those of the whole jail
	Hooks         []hook.Hook    `json:"hooks,omitempty"`     // of the master's own phases, in order
	Shell         []string       `json:"shell,omitempty"`     // that runs their commands
	LogJSON       bool           `json:"log_json"`
	LogTerminal   bool           `json:"log_terminal"`
	LogPipes      int            `json:"log_pipes,omitempty"` // of workers, mules, spoolers and daemons, after the log channel, which comes after the listeners; 0 = neither
	LogDate       string         `json:"log_date"`            // strftime format before each line, "" = none

	ForkDelaySeconds int `json:"fork_delay_seconds"` // first pause after a worker that died at once
	Around
}

// Around is what runs beside the workers, executed by the master.
type Around struct {
	Daemons   []Daemon      `json:"daemons,omitempty"`
	Crons     []Cron        `json:"crons,omitempty"`
	CronMercy time.Duration `json:"cron_mercy,omitempty"` // that a running command has when the stack leaves
	Alarms    Alarms        `json:"alarms"`
	TouchExec []TouchExec   `json:"touch_exec,omitempty"`
}

// mercy is how long a worker may take to finish its request before it is killed.
func (s *Settings) mercy() time.Duration { return time.Duration(s.MercySeconds) * time.Second }
