package config

import (
	"path"
	"strings"
)

// pluginClass says what becomes of a uWSGI plugin that a file asks for.
type pluginClass uint8

const (
	pluginUnknown  pluginClass = iota // its options are unknown or not supported one by one
	pluginHere                        // what it does is built in
	pluginLanguage                    // it runs apps of another language
)

// plugins classes the plugins that real files name.
var plugins = map[string]pluginClass{
	"python": pluginHere, "python2": pluginHere, "python3": pluginHere, "http": pluginHere, "corerouter": pluginHere,
	"cheaper_busyness": pluginUnknown, "psgi": pluginLanguage, "perl": pluginLanguage, "rack": pluginLanguage, "ruby": pluginLanguage,
	"lua": pluginLanguage, "php": pluginLanguage, "jvm": pluginLanguage, "jwsgi": pluginLanguage, "ring": pluginLanguage, "mono": pluginLanguage,
	"v8": pluginLanguage, "gccgo": pluginLanguage, "pypy": pluginLanguage, "cgi": pluginLanguage, "cplusplus": pluginLanguage,
	"xslt": pluginLanguage, "ssi": pluginLanguage, "rbthreads": pluginLanguage, "fiber": pluginLanguage, "coroae": pluginLanguage,
}

// pluginKind classes one item of plugin, "[modifier:]name[|init]", where name may be a path of a shared object.
func pluginKind(item string) pluginClass {
	name := pluginName(item)
	if class, ok := plugins[name]; ok {
		return class
	}
	if strings.HasPrefix(name, "python") && strings.Trim(name[len("python"):], "0123456789._") == "" {
		return pluginHere
	}
	return pluginUnknown
}

func pluginName(item string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(item), "|")
	if i := strings.IndexByte(name, ':'); i > 0 && isNumber(name[:i]) {
		name = name[i+1:]
	}
	return strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".so"), "_plugin")
}

// checkPlugins says what becomes of each plugin of a list. uWSGI only logs a missing one unless need-plugin asked for it.
func (l *loader) checkPlugins(e Entry, needed bool) {
	for _, item := range strings.Split(e.Value, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		name := pluginName(item)
		switch pluginKind(item) {
		case pluginHere:
			l.report.add(SeverityNote, e, "without effect: what "+name+" does is built in", "")
		case pluginLanguage:
			l.fail(e, bad("refused: "+name+" runs apps of another language, only Python's are served here", "run them with uWSGI"))
		default:
			s := SeverityWarning
			if needed {
				s = SeverityError
			}
			l.report.add(s, e, "the plugin "+name+" does not exist here", "its options are refused one by one")
		}
	}
}
