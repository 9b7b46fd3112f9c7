package config

import (
	"strconv"
	"strings"

	"gowsgi/serving"
)

// Serve is what is done with requests beside calling the app.
type Serve struct{ serving.Answers }

func (s *Serve) options() []option {
	list := []option{
		{"add-header", "add a header to all answers: Name: value; repeatable", s.addHeader},
		{"rem-header", "take a header of the app out of all answers; repeatable", s.remHeader},
		{"limit-post", "refuse request bodies of more bytes with 413", number64(&s.LimitPost, 0, 1<<62)},
		{"disable-sendfile", "read files that are sent block by block instead of with sendfile(2)", boolean(&s.NoSendfile)},
	}
	for _, code := range []string{"403", "404", "500"} {
		list = append(list, option{"error-page-" + code, "show this HTML file where the server itself answers " + code + "; repeatable, the first that can be read",
			func(v *value) error {
				var file string
				if err := word(&file)(v); err != nil {
					return err
				}
				if s.ErrorPages == nil {
					s.ErrorPages = map[string][]string{}
				}
				s.ErrorPages[code] = append(s.ErrorPages[code], file)
				return nil
			}})
	}
	return list
}

// addHeader guards against what would make two lines, or none, of a header.
func (s *Serve) addHeader(v *value) error {
	name, text, ok := strings.Cut(v.Value, ":")
	if !ok || !isToken(strings.TrimSpace(name)) {
		return bad("not Name: value", "write "+v.Key+" = X-Frame-Options: DENY")
	}
	if strings.ContainsAny(text, "\r\n") {
		return bad("a header is one line", "")
	}
	v.warnUnresolved()
	s.AddHeaders = append(s.AddHeaders, strings.TrimSpace(name)+": "+strings.TrimSpace(text))
	return nil
}

func (s *Serve) remHeader(v *value) error {
	name := strings.TrimSuffix(v.tidy(), ":")
	if !isToken(name) {
		return bad("not a header's name", "")
	}
	s.RemHeaders = append(s.RemHeaders, name)
	return nil
}

// isToken reports a name as headers have them (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return false
		}
	}
	return s != ""
}

// Apps says which apps are loaded beside the one of module or wsgi-file, and what before and after; all paths are the jail's.
type Apps struct{ serving.Apps }

func (a *Apps) options() []option {
	return []option{
		{"mount", "load a further app for paths below a mountpoint: /prefix=module:callable or /prefix=file.py; repeatable", a.mount},
		{"no-default-app", "answer 500 where no mountpoint fits, instead of asking the first app", boolean(&a.NoDefault)},
		{"ignore-script-name", "do not choose the app by the SCRIPT_NAME that the web server sends", boolean(&a.IgnoreScriptName)},
		{"import", "import this module or file before the app; repeatable", words(&a.Imports)},
		{"shared-import", "import this module or file once, before the workers are forked; repeatable", words(&a.SharedImports)},
		{"pymodule-alias", "let a module be imported by another name: name=module or name=/file.py; repeatable", aliasOf(&a.Aliases)},
		{"post-pymodule-alias", "as pymodule-alias, after the app is loaded; repeatable", aliasOf(&a.LateAliases)},
		{"eval", "run this code and take the app that it defines", text(&a.Eval)},
		{"paste", "load the app with paste.deploy: config:/path/file.ini", word(&a.Paste)},
		{"paste-name", "name of the app in the file of paste", word(&a.PasteName)},
		{"paste-logger", "set up logging by the file of paste", boolean(&a.PasteLogger)},
		{"pecan", "load the app with pecan.deploy from this file", word(&a.Pecan)},
		{"chdir2", "change to this directory after the app is loaded", word(&a.Chdir2)},
		{"py-executable", "what sys.executable says", word(&a.Executable)},
		{"optimize", "level of Python's optimization: 1 drops asserts, 2 docstrings too", number(&a.Optimize, 0, 2)},
		{"py-autoreload", "reload when the file of an imported module changes; looked at every so many seconds", number(&a.AutoReload, 0, maxSeconds)},
		{"py-auto-reload-ignore", "leave the file of this module out of py-autoreload; repeatable", words(&a.AutoReloadIgnore)},
		{"no-site", "do not import Python's module site", boolean(&a.NoSite)},
	}
}

// mount reads /prefix=app. A worker's number before it, as worker-mount may have, is no part of what is done here.
func (a *Apps) mount(v *value) error {
	point, app, ok := strings.Cut(v.tidy(), "=")
	point, app = strings.TrimSpace(point), strings.TrimSpace(app)
	if !ok || app == "" || point == "" {
		return bad("not /prefix=app", "write mount = /app1=package.module:app")
	}
	if err := unresolved(v.Value); err != nil {
		return err
	}
	if number, _, ok := strings.Cut(point, ":"); ok {
		if _, err := strconv.Atoi(number); err == nil {
			return bad("refused: an app in some workers only", "mount it in all of them")
		}
	}
	if point[0] != '/' {
		v.warn("read as /"+point, "a mountpoint begins with /")
		point = "/" + point
	}
	a.Mounts = append(a.Mounts, [2]string{"/" + strings.Trim(point, "/"), app})
	return nil
}

func aliasOf(p *[]string) setter {
	return func(v *value) error {
		name, target, ok := strings.Cut(v.tidy(), "=")
		if !ok || name == "" || target == "" {
			return bad("not name=module", "")
		}
		*p = append(*p, name+"="+target)
		return nil
	}
}

// iniPaste reads an ini file and has paste.deploy load the app from it.
func iniPaste(logged bool) func(*loader, Entry) {
	return func(l *loader, e Entry) {
		name, section, _ := strings.Cut(e.Value, ":")
		l.load(e, "ini")
		l.add(Entry{Key: "paste", Value: "config:" + l.o.abs(name), HasValue: true, Pos: e.Pos})
		if section != "" {
			l.add(Entry{Key: "paste-name", Value: section, HasValue: true, Pos: e.Pos})
		}
		if logged {
			l.add(Entry{Key: "paste-logger", Value: "true", HasValue: true, Pos: e.Pos})
		}
	}
}
