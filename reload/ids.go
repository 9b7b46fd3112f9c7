package reload

import (
	"gowsgi/jail"
)

// giveIDs fills in the id maps of a user namespace that says none. The range is taken once and kept for the parent's life: all its jails
// have it, and none of another parent.
func (p *parent) giveIDs(spec *jail.Spec) error {
	if !spec.WantsLease(p.who.euid) {
		return nil
	}
	if p.lease == nil {
		lease, err := jail.LeaseIDs(p.who.euid, spec.Root.Path+":"+spec.Hostname+":"+p.who.dir)
		if err != nil {
			return err
		}
		p.lease = lease
	}
	spec.UIDMap, spec.GIDMap = p.lease.Maps(p.who.euid, p.who.egid)
	return nil
}
