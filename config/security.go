package config

import "strconv"

// Security says what the app runs as. Names are looked up in the jail.
type Security struct {
	UID          string   `json:"uid,omitempty"` // number or user name
	GID          string   `json:"gid,omitempty"` // number or group name
	AddGIDs      []string `json:"add_gids,omitempty"`
	NoInitgroups bool     `json:"no_initgroups,omitempty"`
	Umask        *int     `json:"umask,omitempty"`           // nil = as inherited
	MasterRoot   bool     `json:"master_root,omitempty"`     // only the app's processes become the user
	DropAfter    bool     `json:"drop_after_apps,omitempty"` // and only once the app is imported
	ImmediateUID string   `json:"immediate_uid,omitempty"`   // of the parent and so of everything
	ImmediateGID string   `json:"immediate_gid,omitempty"`
	Locks        []Lock   `json:"locks,omitempty"` // in their order
}

// Lock is a file that at most one instance may have locked.
type Lock struct {
	Path string `json:"path"`
	Wait bool   `json:"wait,omitempty"` // for whoever has it
	Late bool   `json:"late,omitempty"` // after the hooks of asap
	Pos  Pos    `json:"pos"`
}

func (s *Security) options() []option {
	return []option{
		{"uid", "run the app as this user, number or name, looked up in the jail", word(&s.UID)},
		{"gid", "run the app as this group, number or name, looked up in the jail", word(&s.GID)},
		{"add-gid", "further group of the app; repeatable", words(&s.AddGIDs)},
		{"no-initgroups", "do not take the user's further groups", boolean(&s.NoInitgroups)},
		{"master-as-root", "the master stays uid 0, only Python and the workers become the user", boolean(&s.MasterRoot)},
		{"drop-after-apps", "import the app as uid 0 and become the user then; the master stays uid 0", boolean(&s.DropAfter)},
		{"immediate-uid", "become this user before anything is done, as if that user had started it", word(&s.ImmediateUID)},
		{"immediate-gid", "become this group before anything is done", word(&s.ImmediateGID)},
		{"flock", "lock this file, which must exist, and end when another process has it locked; repeatable", s.lock(Lock{})},
		{"flock-wait", "lock this file, which must exist, and wait for whoever has it locked; repeatable", s.lock(Lock{Wait: true})},
		{"flock2", "as flock, after the hooks of asap", s.lock(Lock{Late: true})},
		{"flock-wait2", "as flock-wait, after the hooks of asap", s.lock(Lock{Late: true, Wait: true})},
		{"umask", "octal umask of the app", s.setUmask},
	}
}

// lock gives a setter that adds a lock like kind.
func (s *Security) lock(kind Lock) setter {
	return func(v *value) error {
		if kind.Path = v.tidy(); kind.Path == "" {
			return bad("no file", "")
		}
		kind.Pos = v.Pos
		s.Locks = append(s.Locks, kind)
		return nil
	}
}

// setUmask reads octal digits. uWSGI skips the first of four digits and takes two digits for 0, which opens everything.
func (s *Security) setUmask(v *value) error {
	n, err := strconv.ParseUint(v.tidy(), 8, 32)
	if err != nil || n > 0o777 {
		return bad("not an octal umask", "write three digits such as 022")
	}
	mask := int(n)
	s.Umask = &mask
	return nil
}
