package config

// Reload says how one generation gives way to the next.
type Reload struct {
	Overlap bool `json:"overlap,omitempty"` // the next generation is ready before the old one leaves

	Touch        []string `json:"touch,omitempty"`         // a change of one of these files asks for a reload
	TouchWorkers []string `json:"touch_workers,omitempty"` // all workers get the new code
	TouchChain   []string `json:"touch_chain,omitempty"`   // one worker after the other gets it
	FS           []string `json:"fs,omitempty"`            // as Touch, but watched by the kernel; a directory counts with what is in it
	FSBrutal     []string `json:"fs_brutal,omitempty"`     // the same, brutally
	Fifos        []string `json:"fifos,omitempty"`         // master fifos; the first is listened to until a digit chooses another
	NotifySocket string   `json:"notify_socket,omitempty"` // each datagram that comes here is a line of the log
	Health       string   `json:"health,omitempty"`        // address of the probes; "" = none
	StopDelay    int      `json:"stop_delay,omitempty"`    // seconds
}

func (r *Reload) options() []option {
	return []option{
		{"reload-overlap", "on a reload, build the next stack and have it ready before the old one leaves", boolean(&r.Overlap)},
		{"touch-reload", "reload when this file changes, appears or goes; repeatable", words(&r.Touch)},
		{"touch-workers-reload", "give all workers the new code, in the same jail, when this file changes, appears or goes; repeatable", words(&r.TouchWorkers)},
		{"touch-chain-reload", "give one worker after the other the new code, in the same jail, when this file changes, appears or goes; repeatable", words(&r.TouchChain)},
		{"fs-reload", "reload when something happens to this file or in this directory; repeatable", words(&r.FS)},
		{"fs-brutal-reload", "reload brutally when something happens to this file or in this directory; repeatable", words(&r.FSBrutal)},
		{"notify-socket", "write to the log what comes as datagrams to this unix socket", word(&r.NotifySocket)},
		{"health", "answer an orchestrator's probes here with HTTP: /live, /ready, /drain", listenWord(&r.Health)},
		{"stop-delay", "seconds to serve on after a graceful stop is asked for, while /ready of health says no", number(&r.StopDelay, 0, maxSeconds)},
		{"master-fifo", "listen to commands of one letter on this fifo; repeatable, digits choose", words(&r.Fifos)},
	}
}
