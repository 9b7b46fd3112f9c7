package config

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"gowsgi/serving"
)

// Static says which files the workers send themselves; all paths are seen from inside the jail.
type Static struct{ serving.Static }

// On reports that files are served at all.
func (s *Static) On() bool {
	return len(s.Check) > 0 || s.Docroot || len(s.Maps) > 0 || len(s.Maps2) > 0
}

// Dirs lists the directories and files that are served from or may be.
func (s *Static) Dirs() []string {
	dirs := append(append([]string(nil), s.Check...), s.Safe...)
	for _, m := range append(append([][2]string(nil), s.Maps...), s.Maps2...) {
		dirs = append(dirs, m[1])
	}
	return dirs
}

func (s *Static) options() []option {
	list := []option{
		{"static-map", "send files for paths below a prefix: /prefix=directory; repeatable", staticMap(&s.Maps)},
		{"static-map2", "as static-map, but the whole path is looked up in the directory; repeatable", staticMap(&s.Maps2)},
		{"check-static", "send the file of this directory that the path of a request names, if there is one; repeatable", words(&s.Check)},
		{"check-static-docroot", "do so with the DOCUMENT_ROOT that the web server sends", boolean(&s.Docroot)},
		{"static-index", "send this file for the directory it is in; repeatable", words(&s.Index)},
		{"static-skip-ext", "ask the app for paths with this ending; repeatable", words(&s.SkipExt)},
		{"static-safe", "let symbolic links in served directories lead here; repeatable", words(&s.Safe)},
		{"mime-file", "read types by suffix from this file instead of /etc/mime.types; repeatable", words(&s.MIMEFiles)},
		{"static-gzip", "send NAME.gz to clients that take it, for files whose path matches this expression; repeatable", expressions(&s.Gzip, expression)},
		{"static-gzip-all", "... for all files", boolean(&s.GzipAll)},
		{"static-gzip-dir", "... for files below this directory; repeatable", words(&s.GzipDirs)},
		{"static-gzip-ext", "... for files with this ending; repeatable", words(&s.GzipExts)},
		{"honour-range", "answer requests for a part of a file", boolean(&s.Range)},
		{"file-serve-mode", "leave sending to the web server: nginx (X-Accel-Redirect) or x-sendfile", s.setMode},
	}
	for _, kind := range [][3]string{{"", "file", "the path of the file matches an expression"}, {"-uri", "uri", "REQUEST_URI matches an expression"},
		{"-path-info", "path_info", "PATH_INFO matches an expression"}, {"-type", "type", "the file has this type (written type=seconds)"}} {
		name := "static-expires" + kind[0]
		list = append(list,
			option{name, "set Expires to so many seconds from now if " + kind[2] + ": what seconds; repeatable", s.expires(kind[1], false)},
			option{name + "-mtime", "... counted from the time of the file", s.expires(kind[1], true)})
	}
	return list
}

// staticMap reads /prefix=directory.
func staticMap(p *[][2]string) setter {
	return func(v *value) error {
		prefix, dir, ok := strings.Cut(v.tidy(), "=")
		if !ok || prefix == "" || dir == "" {
			return bad("not /prefix=directory", "write static-map = /static=/srv/app/static")
		}
		if err := unresolved(v.Value); err != nil {
			return err
		}
		if prefix[0] != '/' {
			v.warn("read as /"+prefix, "paths of requests begin with /")
			prefix = "/" + prefix
		}
		*p = append(*p, [2]string{prefix, path.Clean(dir)})
		return nil
	}
}

// expressions appends a regular expression that check finds in order.
func expressions(p *[]string, check func(string) error) setter {
	return func(v *value) error {
		if err := check(v.Value); err != nil {
			return err
		}
		*p = append(*p, v.Value)
		return nil
	}
}

// expression looks at one that the workers compile: Python's, like PCRE, know more than Go's.
func expression(text string) error {
	if _, err := regexp.Compile(text); err != nil && !strings.Contains(text, "(?") && !strings.Contains(text, `\`) {
		return bad("not a regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "")
	}
	return nil
}

// expires reads "what seconds".
func (s *Static) expires(what string, mtime bool) setter {
	return func(v *value) error {
		text := v.tidy()
		cut := max(strings.LastIndexAny(text, " \t"), 0)
		match, number := strings.TrimSpace(text[:cut]), strings.TrimSpace(text[cut:])
		if what == "type" {
			match, number, _ = strings.Cut(text, "=")
			match, number = strings.TrimSpace(match), strings.TrimSpace(number)
		}
		seconds, err := strconv.Atoi(number)
		if err != nil || match == "" || seconds < 0 {
			return bad("not what and seconds", "write "+v.Key+" = "+map[bool]string{true: "text/css=3600", false: "/static/.* 3600"}[what == "type"])
		}
		if what != "type" {
			if err := expression(match); err != nil {
				return err
			}
		}
		s.Expires = append(s.Expires, serving.Expires{What: what, Match: match, Seconds: seconds, MTime: mtime})
		return nil
	}
}

func (s *Static) setMode(v *value) error {
	modes := map[string]string{"": "", "nginx": "X-Accel-Redirect", "x-accel-redirect": "X-Accel-Redirect", "xaccelredirect": "X-Accel-Redirect",
		"x-sendfile": "X-Sendfile", "xsendfile": "X-Sendfile"}
	mode, ok := modes[strings.ToLower(v.tidy())]
	if !ok {
		return bad("unknown mode", "write nginx or x-sendfile")
	}
	s.Mode = mode
	return nil
}
