package config

// Log says where the log goes and how it looks.
type Log struct {
	DisableRequests bool   `json:"disable_requests,omitempty"` // no line for each request
	JSON            bool   `json:"json,omitempty"`
	File            string `json:"file,omitempty"` // appended to, opened by the parent; "" = standard error
	ShowConfig      bool   `json:"show_config,omitempty"`
}

func (l *Log) options() []option {
	return []option{
		{"disable-logging", "no line for each request", boolean(&l.DisableRequests)},
		{"log-format-json", "log JSON, one object a line", boolean(&l.JSON)},
		{"logto", "append the log to this file, opened by the parent", word(&l.File)},
		{"show-config", "print the resolved configuration, then go on", boolean(&l.ShowConfig)},
	}
}
