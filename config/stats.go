package config

// Stats says where state can be read from.
type Stats struct {
	Stats      string `json:"stats,omitempty"` // address of uWSGI's JSON; "" = none
	HTTP       bool   `json:"http,omitempty"`  // answer it with an HTTP header
	Minified   bool   `json:"minified,omitempty"`
	NoCores    bool   `json:"no_cores,omitempty"`
	Prometheus string `json:"prometheus,omitempty"` // host:port or unix path of the metrics page; "" = none
}

func (s *Stats) options() []option {
	return []option{
		{"stats", "serve uWSGI's JSON of statistics here", listenWord(&s.Stats)},
		{"stats-http", "put an HTTP header before the statistics", boolean(&s.HTTP)},
		{"stats-minified", "statistics without white space", boolean(&s.Minified)},
		{"stats-no-cores", "statistics without the cores of each worker", boolean(&s.NoCores)},
		{"prometheus", "serve Prometheus metrics over HTTP here", listenWord(&s.Prometheus)},
	}
}

// listenWord binds one address.
func listenWord(p *string) setter {
	return func(v *value) error {
		addr, err := address(v)
		if err == nil {
			*p = addr
		}
		return err
	}
}
