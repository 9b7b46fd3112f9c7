package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// TestCache: the functions answer as those of uWSGI 2.0.21 did when they were called so, and workers and mules see the same items.
func TestCache(t *testing.T) {
	e := harness.New(t)
	file := e.Write("page", "from a file")
	a := startAsideIn(e, t, "muleapp", "--processes", "2", "--mule", "--cache2", "name=one,items=10,blocksize=100,keysize=50",
		"--cache2", "name=two,items=10,blocksize=100,bitmap=1", "--cache2", "name=lru,items=4,purge_lru=1",
		"--add-cache-item", "greeting=hello", "--load-file-in-cache", "two "+file)
	for _, row := range [][2]string{
		{`uwsgi.cache_get("greeting")`, `b'hello'`}, {fmt.Sprintf(`uwsgi.cache_get(%q, "two")`, file), `b'from a file'`},
		{`uwsgi.cache_get("a")`, `None`}, {`uwsgi.cache_set("a", "v")`, `True`}, {`uwsgi.cache_set("a", b"v2")`, `None`},
		{`uwsgi.cache_get(b"a")`, `b'v'`}, {`uwsgi.cache_update("a", "v3", 0)`, `True`}, {`uwsgi.cache_get("a", "one")`, `b'v3'`},
		{`uwsgi.cache_get("a", "two")`, `None`}, {`uwsgi.cache_get("a", "nope")`, `None`}, {`uwsgi.cache_exists("a")`, `True`},
		{`uwsgi.cache_exists("zz")`, `None`}, {`uwsgi.cache_del("a")`, `True`}, {`uwsgi.cache_del("a")`, `None`},
		{`uwsgi.cache_set("big", "x"*200)`, `None`}, {`uwsgi.cache_set("k"*100, "x")`, `None`}, {`uwsgi.cache_set("", "x")`, `None`},
		{`uwsgi.cache_set("empty", "")`, `None`}, {`(uwsgi.cache_inc("n"), uwsgi.cache_inc("n", 5), uwsgi.cache_num("n"))`, `(True, True, 6)`},
		{`(uwsgi.cache_dec("n", 2), uwsgi.cache_mul("n", 3), uwsgi.cache_num("n"))`, `(True, True, 12)`},
		{`(uwsgi.cache_div("n"), uwsgi.cache_num("n"), uwsgi.cache_div("n", 0), uwsgi.cache_num("n"))`, `(True, 6, True, 0)`},
		{`uwsgi.cache_get("n")`, `b'\x00\x00\x00\x00\x00\x00\x00\x00'`}, {`uwsgi.cache_num("none")`, `0`},
		{`sorted(uwsgi.cache_keys())`, `[b'greeting', b'n']`}, {`uwsgi.cache_keys("nope")`, `'ValueError: no local uWSGI cache available'`},
		{`uwsgi.cache_clear("nope")`, `None`}, {`(uwsgi.cache_clear(), uwsgi.cache_keys())`, `(True, [])`},
		{`[uwsgi.cache_set("i%d" % i, "x") for i in range(12)]`, `[` + strings.Repeat("True, ", 10) + `None, None]`},
		{`(uwsgi.cache_update("i3", "y"), uwsgi.cache_update("i30", "y"))`, `(True, None)`},
		{`(uwsgi.cache_set("b", "x" * 250, 0, "two"), uwsgi.cache_get("b", "two") == b"x" * 250)`, `(True, True)`},
		{`[uwsgi.cache_set("l%d" % i, "x", 0, "lru") for i in range(6)]`, `[True, True, True, True, True, True]`},
		{`sorted(uwsgi.cache_keys("lru"))`, `[b'l2', b'l3', b'l4', b'l5']`},
		{`uwsgi.cache_set(1, 2)`, `"TypeError: memoryview: a bytes-like object is required, not 'int'"`},
		{`uwsgi.cache_get("a", "one@10.0.0.1:1")`, `"ValueError: cannot use the cache 'one@10.0.0.1:1': only caches of this server are known"`},
		{`(uwsgi.cache_clear("lru"), uwsgi.cache_set("short", "x", 1, "lru"), uwsgi.cache_set("long", "x", 600, "lru"))`, `(True, True, True)`},
	} {
		a.want(row[0], row[1])
	}
	a.WaitLog(time.Second, `\*\*\* DANGER cache "one" is FULL !!! \*\*\*`)
	if !harness.Eventually(5*time.Second, func() bool {
		return a.eval(`(uwsgi.cache_get("short", "lru"), uwsgi.cache_keys("lru"))`) == `(None, [b'long'])`
	}) {
		t.Errorf("an item is not over in time: %s", a.eval(`(uwsgi.cache_get("short", "lru"), uwsgi.cache_keys("lru"))`))
	}
	cacheCounts(t, a)
	a.Signal(unix.SIGHUP)
	if !harness.Eventually(10*time.Second, func() bool { return a.eval(`uwsgi.cache_get("greeting")`) == `b'hello'` }) {
		t.Error("the new stack has no items of the configuration")
	}
}

// cacheCounts: two workers count at the same time, while one after the other is killed, and nothing is lost but by a kill in the midst of it.
func cacheCounts(t *testing.T, a *aside) {
	t.Helper()
	a.eval(`uwsgi.cache_clear("two")`)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				if got, err := harness.Fetch("http", a.addr, "/?[uwsgi.cache_inc('c',1,0,'two')+for+i+in+range(200)]!=0", 10*time.Second); err != nil || got.Body != "True" {
					t.Errorf("%v %q", err, got.Body)
				}
			}
		})
	}
	wait.Wait()
	a.want(`uwsgi.cache_num("c", "two")`, "4000")
	a.want(`uwsgi.mule_msg("sleep 0")`, "True")
	a.waitEvent("hook", "sleep 0")
}

// TestCacheStore: a file keeps the items over a stop; one of another layout is emptied. In a jail it is a file of the jail.
func TestCacheStore(t *testing.T) {
	e := harness.New(t)
	store := e.Dir + "/store"
	start := func(cache string) *aside { return startAsideIn(e.With(t), t, "muleapp", "--cache2", cache) }
	a := start("name=c,items=5,store=" + store)
	a.want(`uwsgi.cache_get("k")`, "None")
	a.want(`uwsgi.cache_set("k", "kept")`, "True")
	a.End()
	a = start("name=c,items=5,store=" + store)
	a.want(`uwsgi.cache_get("k")`, "b'kept'")
	a.End()
	a = start("name=c,items=6,store=" + store)
	a.want(`uwsgi.cache_get("k")`, "None")
	a.End()
}

// TestBadCaches: what cannot be is said at the start.
func TestBadCaches(t *testing.T) {
	e := harness.New(t)
	for _, row := range [][2]string{
		{"items=5", "a cache without a name"},
		{"name=c", "a cache without items"},
		{"name=c,items=0", "items is not a number from 1 to"},
		{"name=c,items=5,nodes=10.0.0.1:1", "caches are not shared between machines"},
		{"name=c,items=5,color=red", "no such key of a cache: color"},
		{"name=c,items=5,store=/proc/version", "cannot keep the cache c: .*/proc/version"},
	} {
		s := e.Start("--http-socket", harness.FreePort(t), "--chdir", appDir(e), "--module", "probe", "--cache2", row[0])
		if code := s.WaitExit(10 * time.Second); code != 1 {
			t.Errorf("%s: exit code %d", row[0], code)
		}
		s.WaitLog(time.Second, row[1])
	}
}
