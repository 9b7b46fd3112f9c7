package jail

import (
	"fmt"
	"strings"
)

// Explain lists what Start would do for a caller with these ids, without doing any of it: the parent's steps, then the jail's, in order.
func (s Spec) Explain(uid, gid int) []Step {
	s = s.complete(uid, gid)
	var steps []Step
	for _, g := range s.Cgroups {
		var options []string
		for _, o := range g.Options {
			options = append(options, o.File+"="+o.Value)
		}
		steps = append(steps, Step{Name: "cgroup", Arg: strings.Join(append([]string{g.Dir}, options...), " ")})
	}
	if s.guarded(GuardKeyring) {
		steps = append(steps, Step{Name: string(GuardKeyring), Arg: "a new session keyring"})
	}
	steps = append(steps, Step{Name: "clone", Arg: s.namespaceList()})
	if s.has(NSUser) {
		by := "by the kernel"
		if s.UIDMap == nil && s.GIDMap == nil {
			by = "of a range that no other jail has"
		}
		if s.MapsByHelper {
			by = "by newuidmap and newgidmap"
		}
		steps = append(steps, Step{Name: "id-maps", Arg: "uid " + mapText(s.UIDMap) + " gid " + mapText(s.GIDMap) + " " + by})
	}
	return append(steps, s.Steps()...)
}

func mapText(maps []IDMap) string {
	var list []string
	for _, m := range maps {
		list = append(list, fmt.Sprintf("%d:%d:%d", m.Inside, m.Outside, m.Size))
	}
	return strings.Join(list, ",")
}
