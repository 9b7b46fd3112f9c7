package harness

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// RootfsUID is the uid of the user uwsgi, who exists in the rootfs only.
const RootfsUID = 4711

// AppDir is the home of the app of the reference command, below the rootfs.
const AppDir = "/home/uwsgi/uwsgi"

// recipe makes the plain Debian rootfs: nothing of gowsgi is in it, and no uWSGI either. It runs in a mount namespace of its own, because
// mmdebstrap as root mounts /proc and /sys into the chroot. Documentation and data that no test reads are left out, or removed after the
// installation where a package's scripts need them: two thirds of the files, and each test copies them all.
var recipe = []string{
	"unshare", "--mount", "--propagation", "private",
	"mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-flask,python3-django",
	"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
	"--dpkgopt=path-exclude=/usr/share/javascript/*", "--dpkgopt=path-exclude=*/django/contrib/*/locale/*",
	"--dpkgopt=path-exclude=*/django/contrib/*/static/*", "--dpkgopt=path-exclude=/usr/share/zoneinfo/posix/*",
	"--dpkgopt=path-exclude=/usr/share/zoneinfo/right/*",
	"--customize-hook=chroot \"$1\" useradd --uid " + strconv.Itoa(RootfsUID) + " --create-home --shell /bin/sh uwsgi",
	"--customize-hook=mkdir -p \"$1\"" + AppDir + " \"$1\"/nfs \"$1\"/mnt/hidden",
	"--customize-hook=cd \"$1\" && rm -rf usr/share/perl usr/lib/x86_64-linux-gnu/gconv usr/lib/x86_64-linux-gnu/perl* var/lib/apt/lists/* " +
		"var/cache/apt var/lib/dpkg/info usr/share/perl5 usr/lib/python3/dist-packages/django/contrib/gis " +
		"$(ls -d usr/lib/python3/dist-packages/django/conf/locale/*/ | grep -v /en/)",
	"bookworm",
}

// rootfsCache is /var/cache for root. Nobody else can use the rootfs: entering it needs root.
const rootfsCache = "/var/cache/gowsgi-test"

// Rootfs returns the cached rootfs, made when missing. It appears under its name only when complete (rename), and a lock keeps two test
// runs from making it at once. Tests work on copies: see RootfsCopy.
func Rootfs(t testing.TB) string {
	t.Helper()
	NeedRoot(t)
	path, err := buildRootfs()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func buildRootfs() (string, error) {
	if err := os.MkdirAll(rootfsCache, 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(rootfsCache, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("cannot lock the rootfs cache: %v", err)
	}
	sum := sha256.Sum256([]byte(strings.Join(recipe, "\x00")))
	path := filepath.Join(rootfsCache, fmt.Sprintf("%x", sum[:8]))
	removeStale(path)
	if Exists(path) {
		return path, nil
	}
	tmp := path + ".making"
	cmd := exec.Command(recipe[0], append(append([]string{}, recipe[1:]...), tmp)...)
	cmd.Stdin, cmd.SysProcAttr = nil, &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(tmp)
		return "", fmt.Errorf("cannot make the rootfs: %v\n%s", err, out)
	}
	return path, os.Rename(tmp, path)
}

// removeStale removes what former runs left: half-made roots, roots of older recipes, and copies whose maker is gone.
func removeStale(keep string) {
	entries, _ := os.ReadDir(rootfsCache)
	for _, entry := range entries {
		path := filepath.Join(rootfsCache, entry.Name())
		if path == keep || !entry.IsDir() {
			continue
		}
		if maker, _, ok := strings.Cut(strings.TrimPrefix(entry.Name(), "copy-"), "-"); ok && strings.HasPrefix(entry.Name(), "copy-") {
			if pid, err := strconv.Atoi(maker); err == nil && unix.Kill(pid, 0) == nil {
				continue
			}
		}
		os.RemoveAll(path)
	}
}

// RootfsCopy returns a rootfs of this test's own with the apps in place. It is made of hard links (in a second), so a file is changed by
// putting a new one in its place, as Write does, never by writing into it.
func (e *Env) RootfsCopy() string {
	e.T.Helper()
	base := Rootfs(e.T)
	path := filepath.Join(rootfsCache, fmt.Sprintf("copy-%d-%d", os.Getpid(), serial.Add(1)))
	e.Run("cp", "-al", base, path)
	e.T.Cleanup(func() {
		if strings.Contains(Mountinfo(e.T), path) {
			e.T.Errorf("something is mounted below the rootfs %s: it is not removed", path)
			return
		}
		if err := os.RemoveAll(path); err != nil {
			e.T.Errorf("cannot remove the rootfs: %v", err)
		}
	})
	for _, name := range []string{"uwsgicc.py", "probe.py"} {
		e.CopyApp(name, path+AppDir)
	}
	return path
}

// CopyApp puts a file of integration/apps into a directory.
func (e *Env) CopyApp(name, dir string) {
	e.T.Helper()
	text, err := os.ReadFile(filepath.Join(Repo(), "integration", "apps", name))
	if err != nil {
		e.T.Fatal(err)
	}
	e.Write(filepath.Join(dir, name), string(text))
}
