package config

import (
	"io/fs"
	"regexp"
	"strings"
)

// conditions say whether the lines of an if are read, and what %(_) is in them.
var conditions = map[string]predicate{
	"if-env":                whether((*loader).hasEnv),
	"if-not-env":            without(whetherNot((*loader).hasEnv)),
	"if-opt":                whether((*loader).hasOpt),
	"if-not-opt":            without(whetherNot((*loader).hasOpt)),
	"if-exists":             whether(exists(func(fs.FileInfo) bool { return true })),
	"if-not-exists":         whetherNot(exists(func(fs.FileInfo) bool { return true })),
	"if-file":               whether(exists(func(fi fs.FileInfo) bool { return fi.Mode().IsRegular() })),
	"if-not-file":           whetherNot(exists(func(fi fs.FileInfo) bool { return fi.Mode().IsRegular() })),
	"if-dir":                whether(exists(fs.FileInfo.IsDir)),
	"if-not-dir":            whetherNot(exists(fs.FileInfo.IsDir)),
	"if-reload":             whether(func(l *loader, arg string) (string, bool) { return arg, l.o.Reload }),
	"if-not-reload":         whetherNot(func(l *loader, arg string) (string, bool) { return arg, l.o.Reload }),
	"if-hostname":           whether(func(l *loader, arg string) (string, bool) { return arg, l.o.Hostname == arg }),
	"if-not-hostname":       whetherNot(func(l *loader, arg string) (string, bool) { return arg, l.o.Hostname == arg }),
	"if-hostname-match":     whether((*loader).hostMatches),
	"if-not-hostname-match": whetherNot((*loader).hostMatches),
	"if-plugin":             whether(hasPlugin),
	"if-not-plugin":         whetherNot(hasPlugin),
}

// predicate tells whether something holds, and what %(_) is when it does.
type predicate func(l *loader, arg string) (item string, ok bool)

func whether(p predicate) predicate { return p }

func whetherNot(p predicate) predicate {
	return func(l *loader, arg string) (string, bool) {
		_, ok := p(l, arg)
		return arg, !ok
	}
}

// hasEnv is NAME (set at all) or NAME=value (set to it).
func (l *loader) hasEnv(arg string) (string, bool) {
	name, want, compare := strings.Cut(arg, "=")
	v, ok := l.env[name]
	l.usedEnv[name] = true
	return v, ok && (!compare || v == want)
}

// hasOpt is key (given so far) or key=value.
func (l *loader) hasOpt(arg string) (string, bool) {
	key, want, compare := strings.Cut(arg, "=")
	i, ok := l.first[key]
	if !ok {
		return "", false
	}
	l.used[key] = true
	e := l.entries[i]
	v, err := l.expand(e.Value, e)
	if err != nil {
		return "", false // the same error is reported where the value stands
	}
	return v, !compare || v == want
}

func exists(is func(fs.FileInfo) bool) predicate {
	return func(l *loader, arg string) (string, bool) {
		fi, err := l.o.Stat(l.o.abs(arg))
		return arg, err == nil && is(fi)
	}
}

func (l *loader) hostMatches(arg string) (string, bool) {
	re, err := regexp.Compile(arg)
	return arg, err == nil && re.MatchString(l.o.Hostname)
}

// hasPlugin says which of uWSGI's plugins do their work here.
func hasPlugin(_ *loader, arg string) (string, bool) {
	return arg, pluginKind(arg) == pluginHere
}

// without leaves %(_) as it is written: there is nothing that it could stand for.
func without(p predicate) predicate {
	return func(l *loader, arg string) (string, bool) {
		_, ok := p(l, arg)
		return itemMark, ok
	}
}
