// Package python carries the Python runtime of the zygote and the workers as text: the jail needs nothing of gowsgi
// inside, any interpreter from CPython 3.6 on evaluates the same sources.
//
// Bootstrap goes to `python3 -c`; it runs the program in descriptor 5 (docs/architecture.md, seam 3), which Program puts
// together: it installs an importer over the sources and calls the zygote. Sources are compiled when they are first
// imported, so a worker without an http socket never pays for the HTTP parser.
package python

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Bootstrap is the text for `python3 -c`: short, because it is what ps shows.
const Bootstrap = "exec(open(5,'rb').read())"

//go:embed bootstrap.py
var head string

// Program returns the Python program for descriptor 5: the boot document, JSON without bytes outside of UTF-8, is its
// argument.
func Program(document []byte) []byte {
	return fmt.Appendf(nil, "%s\n\n_boot(%s)\n", head, document)
}

//go:embed src/*.py
var sources embed.FS

// packageName is the Python package under which the runtime lives; the underscore keeps it out of an app's way.
const packageName = "_gowsgi"

// Modules returns the runtime's sources by their Python module names: "_gowsgi" and "_gowsgi.<file>".
func Modules() map[string]string {
	names, err := fs.Glob(sources, "src/*.py")
	if err != nil {
		return nil // path.ErrBadPattern is the only error, and the pattern is a constant
	}
	modules := make(map[string]string, len(names))
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err != nil {
			continue // cannot happen: the name came from the same embedded tree
		}
		module := strings.TrimSuffix(path.Base(name), ".py")
		if module == "__init__" {
			modules[packageName] = string(text)
		} else {
			modules[packageName+"."+module] = string(text)
		}
	}
	return modules
}
