package reload

import (
	"fmt"
	"strings"

	"gowsgi/config"
)

// unchangeable names what a reload cannot change in the parent itself.
func unchangeable(old, next *config.Config) []string {
	var texts []string
	say := func(name, was, is string) {
		if was != is {
			texts = append(texts, fmt.Sprintf("A reload does not change %s (%q to %q): stop and start for it", name, was, is))
		}
	}
	say("stats", strings.Join(old.Stats.Stats, ", "), strings.Join(next.Stats.Stats, ", "))
	say("prometheus", old.Stats.Prometheus, next.Stats.Prometheus)
	say("pidfile", old.Process.Pidfile, next.Process.Pidfile)
	say("notify-socket", old.Reload.NotifySocket, next.Reload.NotifySocket)
	say("immediate-uid", old.Security.ImmediateUID, next.Security.ImmediateUID)
	say("immediate-gid", old.Security.ImmediateGID, next.Security.ImmediateGID)
	say("flock", lockNames(old), lockNames(next))
	say("logto", old.Log.Files.To, next.Log.Files.To)
	say("logto2", old.Log.Files.To2, next.Log.Files.To2)
	return texts
}
