package config

// Reload says how one generation gives way to the next.
type Reload struct {
	Overlap bool `json:"overlap,omitempty"` // the next generation is ready before the old one leaves
	Mercy   int  `json:"mercy"`             // seconds the whole stack may take to leave, 0 = as the workers' mercy
}

func (r *Reload) options() []option {
	return []option{
		{"reload-overlap", "on a reload, build the next stack and have it ready before the old one leaves", boolean(&r.Overlap)},
		{"reload-mercy", "seconds the whole stack may take to leave", number(&r.Mercy, 0, maxSeconds)},
	}
}
