package worker

// Drop is what the zygote becomes between the import and the first worker, for good.
type Drop struct {
	UID          int    `json:"uid"`
	GID          int    `json:"gid"`
	Groups       []int  `json:"groups"`
	Capabilities uint64 `json:"capabilities"` // the bits it keeps, in every set
	Guarded      bool   `json:"guarded"`      // in the bounding set too
}
