package jail

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
)

// An ordinary user may map one id, the own one, into a user namespace (user_namespaces(7)). More are given out by the system's administrator
// in /etc/subuid and /etc/subgid and written by two setuid programs, newuidmap and newgidmap, which the kernel lets do it.

// mapDirs are where the programs are looked for. Not on the caller's PATH: what it finds there would be told our pid.
var mapDirs = []string{"/usr/bin/", "/bin/", "/usr/local/bin/"}

func findMapper(name string) (string, bool) {
	for _, dir := range mapDirs {
		if unix.Access(dir+name, unix.X_OK) == nil {
			return dir + name, true
		}
	}
	return "", false
}

// ownMap is the map an ordinary user may write without help.
func ownMap(maps []IDMap, id int) bool {
	return len(maps) == 1 && maps[0].Outside == id && maps[0].Size == 1
}

// subordinate is the first range that the file gives to the user, by name or number; ok is false when there is none.
func subordinate(file, name string, uid int) (start, count int, ok bool) {
	number := strconv.Itoa(uid)
	f, err := findEntry("/", file, func(f []string) bool { return len(f) == 3 && (f[0] == number || name != "" && f[0] == name) })
	if err != nil {
		return 0, 0, false
	}
	start, err1 := strconv.Atoi(f[1])
	count, err2 := strconv.Atoi(f[2])
	return start, count, err1 == nil && err2 == nil && start > 0 && count > 0
}

// userMaps are the maps of an ordinary user who said none: uid 0 inside is the user, and the subordinate ids follow from 1 on when the
// system gives any out and has the programs to write them.
func userMaps(uid, gid int) (uids, gids []IDMap) {
	uids, gids = []IDMap{{Inside: 0, Outside: uid, Size: 1}}, []IDMap{{Inside: 0, Outside: gid, Size: 1}}
	_, have := findMapper("newuidmap")
	_, haveToo := findMapper("newgidmap")
	if !have || !haveToo {
		return uids, gids
	}
	name := ""
	number := strconv.Itoa(uid)
	if f, err := findEntry("/", "/etc/passwd", func(f []string) bool { return len(f) > 2 && f[2] == number }); err == nil {
		name = f[0]
	}
	ustart, ucount, ok := subordinate("/etc/subuid", name, uid)
	gstart, gcount, ok2 := subordinate("/etc/subgid", name, uid)
	if !ok || !ok2 {
		return uids, gids
	}
	return append(uids, IDMap{Inside: 1, Outside: ustart, Size: ucount}), append(gids, IDMap{Inside: 1, Outside: gstart, Size: gcount})
}

// writeMaps has the maps of the child written. It is between the clone and the boot, so the child has done nothing yet.
func (s *Spec) writeMaps(pid int) error {
	if !s.MapsByHelper {
		return nil
	}
	if err := runMapper("newuidmap", pid, s.UIDMap); err != nil {
		return err
	}
	return runMapper("newgidmap", pid, s.GIDMap)
}

func runMapper(name string, pid int, maps []IDMap) error {
	program, ok := findMapper(name)
	if !ok {
		return fmt.Errorf("cannot map ids other than one's own: %s is not installed", name)
	}
	argv := []string{program, strconv.Itoa(pid)}
	for _, m := range maps {
		argv = append(argv, strconv.Itoa(m.Inside), strconv.Itoa(m.Outside), strconv.Itoa(m.Size))
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", name, err)
	}
	defer r.Close()
	child, err := hook.Fork(program, argv, &syscall.ProcAttr{Files: []uintptr{rawFD(r), rawFD(w), rawFD(w)}})
	w.Close()
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", name, err)
	}
	said := make([]byte, 1024)
	n, _ := r.Read(said)
	var status unix.WaitStatus
	for {
		if _, err = unix.Wait4(child, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("cannot wait for %s: %w", name, err)
	}
	if !status.Exited() || status.ExitStatus() != 0 {
		return fmt.Errorf("cannot map ids: %s", strings.Join(strings.Fields(string(said[:n])), " "))
	}
	return nil
}

// becomeMapped takes the first id of the maps that a helper wrote: until then the process had none. It keeps the capabilities, which came
// over the exec as ambient ones.
func (e *entry) becomeMapped() error {
	gid, uid := e.spec.GIDMap[0].Inside, e.spec.UIDMap[0].Inside
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("cannot become gid %d of the user namespace: %w", gid, err)
	}
	if err := prctlAll(unix.PR_SET_KEEPCAPS, 1, 0); err != nil {
		return fmt.Errorf("cannot keep capabilities over a change of uid: %w", err)
	}
	held, err := e.threadStatus("self")
	if err != nil {
		return err
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("cannot become uid %d of the user namespace: %w", uid, err)
	}
	if err := setCaps(held.permitted, 0); err != nil {
		return err
	}
	if err := prctlAll(unix.PR_SET_KEEPCAPS, 0, 0); err != nil {
		return errors.New("cannot stop keeping capabilities over a change of uid")
	}
	return nil
}
