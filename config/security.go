package config

import "strconv"

// Security says what the app runs as. Names are looked up in the jail.
type Security struct {
	UID          string   `json:"uid,omitempty"` // number or user name
	GID          string   `json:"gid,omitempty"` // number or group name
	AddGIDs      []string `json:"add_gids,omitempty"`
	NoInitgroups bool     `json:"no_initgroups,omitempty"`
	Umask        *int     `json:"umask,omitempty"` // nil = as inherited
}

func (s *Security) options() []option {
	return []option{
		{"uid", "run the app as this user, number or name, looked up in the jail", word(&s.UID)},
		{"gid", "run the app as this group, number or name, looked up in the jail", word(&s.GID)},
		{"add-gid", "further group of the app; repeatable", words(&s.AddGIDs)},
		{"no-initgroups", "do not take the user's further groups", boolean(&s.NoInitgroups)},
		{"umask", "octal umask of the app", s.setUmask},
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
