package config

// maxPacket is the largest uwsgi packet: its length field has 16 bits.
const maxPacket = 65535

// Protocol tunes how requests are read.
type Protocol struct {
	BufferSize       int   `json:"buffer_size"`              // bytes of a request's variables or headers, at most 65535
	PostBuffering    int64 `json:"post_buffering,omitempty"` // read the whole body before the app is called; bytes kept in memory, 0 = off
	ManageScriptName bool  `json:"manage_script_name,omitempty"`
}

func (p *Protocol) options() []option {
	return []option{
		{"buffer-size", "bytes that the variables or headers of a request may take, at most 65535", p.setBufferSize},
		{"post-buffering", "read request bodies before the app is called, up to this many bytes in memory", number64(&p.PostBuffering, 0, 1<<40)},
		{"manage-script-name", "cut the mountpoint from PATH_INFO and put it in SCRIPT_NAME", boolean(&p.ManageScriptName)},
	}
}

func (p *Protocol) setBufferSize(v *value) error {
	n, err := v.integer(1, 1<<40)
	if err != nil {
		return err
	}
	if n > maxPacket {
		v.warn("read as 65535, the most that the protocol allows", "")
		n = maxPacket
	}
	p.BufferSize = int(n)
	return nil
}
