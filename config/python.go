package config

import "strings"

// Python says which app to import and with which interpreter; all paths are seen from inside the jail.
type Python struct {
	Module          string   `json:"module,omitempty"`      // package.module or package.module:callable
	WSGIFile        string   `json:"wsgi_file,omitempty"`   // a file instead of a module
	Callable        string   `json:"callable,omitempty"`    // "" = application, then app
	Home            string   `json:"home,omitempty"`        // virtualenv
	Interpreter     string   `json:"interpreter,omitempty"` // "" = the virtualenv's, else the first python3 of the jail
	Path            []string `json:"path,omitempty"`        // put before sys.path, in order
	Argv            string   `json:"argv,omitempty"`        // further words of sys.argv, separated by blanks
	CatchExceptions bool     `json:"catch_exceptions,omitempty"`
	NoFileWrapper   bool     `json:"no_file_wrapper,omitempty"`
}

func (p *Python) options() []option {
	return []option{
		{"module", "import the app from this module, package.module[:callable]", word(&p.Module)},
		{"wsgi-file", "load the app from this file", word(&p.WSGIFile)},
		{"callable", "name of the app in the module; default is application, then app", word(&p.Callable)},
		{"virtualenv", "use this virtualenv", word(&p.Home)},
		{"python", "path of the Python interpreter, as the jail sees it", p.setInterpreter},
		{"pythonpath", "add a directory to sys.path; repeatable", words(&p.Path)},
		{"pyargv", "further words of sys.argv, separated by blanks", text(&p.Argv)},
		{"catch-exceptions", "answer with the traceback when the app raises", boolean(&p.CatchExceptions)},
		{"wsgi-disable-file-wrapper", "leave wsgi.file_wrapper out of the environ", boolean(&p.NoFileWrapper)},
	}
}

// setInterpreter guards against uWSGI's use of the name: there python is pyrun, and its value a script.
func (p *Python) setInterpreter(v *value) error {
	var path string
	if err := word(&path)(v); err != nil {
		return err
	}
	if strings.HasSuffix(path, ".py") {
		return bad("not an interpreter", "python names the interpreter here; running a script is pyrun, which is not supported yet")
	}
	p.Interpreter = path
	return nil
}
