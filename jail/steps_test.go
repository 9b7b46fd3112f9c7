package jail

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func stepNames(s Spec) []string {
	var names []string
	for _, step := range s.Steps() {
		names = append(names, step.Name)
	}
	return names
}

func everything() Spec {
	umask := 0o022
	s := fullSpec("/srv/root")
	s.Namespaces = append(s.Namespaces, NSNet)
	s.Root.KeepMounts = []KeepMount{{Source: "/mnt/nfs", Target: "/nfs"}}
	s.Umask, s.Chdir = &umask, "/app"
	s.Veth = &Veth{Name: "v0", Address: "10.0.0.2/24", Gateway: "10.0.0.1"}
	return s
}

// The order is the one docs/jail.md tells, step by step.
func TestStepsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/jail.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, row[1])
	}
	keep := func(all []string, among []string) (out []string) {
		for _, a := range all {
			for _, b := range among {
				if a == b {
					out = append(out, a)
				}
			}
		}
		return out
	}
	host := hostSpec()
	host.Creds.UID = "www-data"
	own := Spec{MapsByHelper: true, Joined: []Namespace{NSNet}, Namespaces: []Namespace{NSMount}, Chroot: "/srv", PivotRoot: &Pivot{"/ns", "/ns/old"},
		Hooks: hooks(t, "in-jail print:x", "post-jail print:x", "as-root print:x", "as-user print:x")}
	for _, spec := range []Spec{everything(), host, own, {}} {
		names := stepNames(spec)
		if got := keep(documented, names); !reflect.DeepEqual(got, names) {
			t.Errorf("the page says\n%v\nthe code does\n%v", got, names)
		}
	}
}

// No door is shut before the steps that need it open, and none is left to the app.
func TestStepOrder(t *testing.T) {
	names := stepNames(everything())
	at := map[string]int{}
	for i, n := range names {
		at[n] = i
	}
	for _, pair := range [][2]string{
		{"mount-private", "rootfs"}, {"keep-mounts-open", "rootfs"}, {"rootfs", "proc"}, {"proc", "pivot-root"}, {"keep-mounts", "pivot-root"},
		{"pivot-root", "ids"}, {"ids", "groups"}, {"bounding-set", "uid"}, {"groups", "gid"}, {"gid", "uid"}, {"uid", "caps"}, {"uid", "chdir"},
		{"caps", "no-new-privs"}, {"no-new-privs", "seccomp"}, {"seccomp", "audit"},
	} {
		if at[pair[0]] >= at[pair[1]] {
			t.Errorf("%s comes after %s in %v", pair[0], pair[1], names)
		}
	}
	if names[len(names)-1] != "audit" {
		t.Errorf("the last step is %s", names[len(names)-1])
	}
}

func TestGuardsOffLeaveTheirStepsOut(t *testing.T) {
	for guard, step := range map[Guard]string{GuardCaps: "caps", GuardNoNewPrivs: "no-new-privs", GuardLandlock: "landlock", GuardSeccomp: "seccomp",
		GuardDump: "not-dumpable", GuardProc: "proc-masks", GuardDev: "dev"} {
		s := everything()
		if !strings.Contains(strings.Join(stepNames(s), " "), step) {
			t.Errorf("%s is not there by default", step)
		}
		s.GuardsOff = []Guard{guard}
		if strings.Contains(" "+strings.Join(stepNames(s), " ")+" ", " "+step+" ") {
			t.Errorf("%s is there with guard %s off", step, guard)
		}
	}
}

func TestSpecTravelsAsJSON(t *testing.T) {
	want := everything()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Spec
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s became %+v, %v", text, got, err)
	}
}

func TestValidate(t *testing.T) {
	big := 0o1000
	for _, c := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"fine", func(*Spec) {}, ""},
		{"unknown namespace", func(s *Spec) { s.Namespaces = append(s.Namespaces, "fs") }, `namespace "fs"`},
		{"twice", func(s *Spec) { s.Namespaces = append(s.Namespaces, NSPID) }, "named twice"},
		{"hostname without uts", func(s *Spec) { s.Namespaces = []Namespace{NSMount} }, "without a uts namespace"},
		{"long hostname", func(s *Spec) { s.Hostname = strings.Repeat("h", 65) }, "longer than 64"},
		{"relative rootfs", func(s *Spec) { s.Root.Path = "ns/001" }, "not an absolute path"},
		{"unknown root", func(s *Spec) { s.Root.Kind = "tarball" }, `root "tarball"`},
		{"app dirs of a rootfs", func(s *Spec) { s.Root.AppDirs = []string{"/app"} }, "only a host root"},
		{"keep on /", func(s *Spec) { s.Root.KeepMounts = []KeepMount{{"/mnt", "/"}} }, "not a path below the root"},
		{"relative keep", func(s *Spec) { s.Root.KeepMounts = []KeepMount{{"mnt", "/mnt"}} }, "not an absolute path"},
		{"app is /", func(s *Spec) { s.Root = Root{Kind: RootHost, AppDirs: []string{"/"}} }, `cannot show "/"`},
		{"app is /proc", func(s *Spec) { s.Root = Root{Kind: RootHost, AppDirs: []string{"/proc/self"}} }, `cannot show "/proc/self"`},
		{"maps without user", func(s *Spec) { s.UIDMap = []IDMap{{0, 1, 1}} }, "needs a user namespace"},
		{"overlap", func(s *Spec) {
			s.Namespaces = append(s.Namespaces, NSUser)
			s.UIDMap, s.GIDMap = []IDMap{{0, 1000, 10}, {5, 5000, 10}}, []IDMap{{0, 1000, 1}}
		}, "overlaps"},
		{"umask", func(s *Spec) { s.Umask = &big }, "umask"},
		{"capability", func(s *Spec) { s.Caps = []string{"fly"} }, `capability "fly"`},
		{"guard", func(s *Spec) { s.GuardsOff = []Guard{"moat"} }, `guard "moat"`},
		{"no_new_privs alone", func(s *Spec) { s.GuardsOff = []Guard{GuardNoNewPrivs} }, "seccomp and landlock need it"},
	} {
		s := fullSpec("/srv/root")
		c.change(&s)
		err := s.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// The names against the kernel's numbers, which the package did not take them from.
func TestCapabilityNames(t *testing.T) {
	header, err := os.ReadFile("/usr/include/linux/capability.h")
	if err != nil {
		t.Skip("needs the kernel's headers: ", err)
	}
	rows := regexp.MustCompile(`(?m)^#define CAP_([A-Z_]+)\s+(\d+)\s*$`).FindAllStringSubmatch(string(header), -1)
	if len(rows) < 35 {
		t.Fatalf("found %d capabilities in the header", len(rows))
	}
	for _, row := range rows {
		set, err := capSet([]string{"CAP_" + row[1]})
		if err != nil {
			t.Error(err)
			continue
		}
		var number uint
		if err := json.Unmarshal([]byte(row[2]), &number); err != nil || set != 1<<number {
			t.Errorf("%s is %#x, the kernel says bit %s", row[1], set, row[2])
		}
	}
}

func TestKeepMountTarget(t *testing.T) {
	for _, c := range []struct {
		rootfs, source, target, want string
	}{
		{"/apps/app1", "/apps/app1/nfs", "", "/nfs"},
		{"/apps/app1/", "/apps/app1/nfs/", "", "/nfs"},
		{"/apps/app1", "/mnt/nfs1", "/nfs", "/nfs"},
		{"/apps/app1", "/mnt/nfs1", "", "/mnt/nfs1"},
		{"/apps/app1", "/apps/app10/nfs", "", "/apps/app10/nfs"},
		{"/", "/mnt/nfs1", "", "/mnt/nfs1"},
	} {
		if got := (KeepMount{c.source, c.target}).target(c.rootfs); got != c.want {
			t.Errorf("%s:%s under %s is seen at %s, want %s", c.source, c.target, c.rootfs, got, c.want)
		}
	}
}
