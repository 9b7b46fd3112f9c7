// Package serving holds what the configuration says of apps and answers, in the form in which the runtime in the workers is told it: config fills
// it, worker sends it.
package serving

// Answers is what is done with all requests and answers, whoever gives them.
type Answers struct {
	NoSendfile bool     `json:"no_sendfile"`
	AddHeaders []string `json:"add_headers"` // "Name: value"
	RemHeaders []string `json:"rem_headers"` // names
	LimitPost  int64    `json:"limit_post"`  // bytes of a request body, 0 = no limit

	ErrorPages map[string][]string `json:"error_pages"` // files by status code, the first that can be read is shown
}

// Any reports whether there is anything to do.
func (a *Answers) Any() bool {
	return a.NoSendfile || a.LimitPost != 0 || len(a.AddHeaders)+len(a.RemHeaders)+len(a.ErrorPages) > 0
}

// Apps says which apps are loaded beside the one of module or wsgi-file, and what before and after.
type Apps struct {
	Mounts           [][2]string `json:"mounts"` // mountpoint, what to load
	NoDefault        bool        `json:"no_default"`
	IgnoreScriptName bool        `json:"ignore_script_name"`
	Imports          []string    `json:"imports"`        // where the app is imported, before it
	SharedImports    []string    `json:"shared_imports"` // by the zygote, before anything else
	Aliases          []string    `json:"aliases"`        // name=module or file
	LateAliases      []string    `json:"late_aliases"`   // the same, after the app
	Eval             string      `json:"eval"`           // code that defines the app
	Paste            string      `json:"paste"`          // config:/file.ini
	PasteName        string      `json:"paste_name"`
	PasteLogger      bool        `json:"paste_logger"`
	Pecan            string      `json:"pecan"`
	Chdir2           string      `json:"chdir2"`
	Executable       string      `json:"executable"` // what sys.executable says
	Optimize         int         `json:"optimize"`   // options of the interpreter
	NoSite           bool        `json:"no_site"`
	AutoReload       int         `json:"auto_reload"`        // seconds between two looks at the files of modules, 0 = never
	AutoReloadIgnore []string    `json:"auto_reload_ignore"` // names of modules
}

// Static says which files a worker sends itself; all paths are seen from inside the jail.
type Static struct {
	Check     []string    `json:"check"`    // directories that PATH_INFO is looked up in
	Docroot   bool        `json:"docroot"`  // DOCUMENT_ROOT of the request is one too
	Maps      [][2]string `json:"maps"`     // prefix, directory or file that takes its place
	Maps2     [][2]string `json:"maps2"`    // prefix, directory that the whole path is looked up in
	Index     []string    `json:"index"`    // files that stand for their directory
	SkipExt   []string    `json:"skip_ext"` // endings that go to the app
	Safe      []string    `json:"safe"`     // directories that links may lead to
	MIMEFiles []string    `json:"mime_files"`
	Expires   []Expires   `json:"expires"`
	GzipAll   bool        `json:"gzip_all"`
	Gzip      []string    `json:"gzip"` // expressions on the path
	GzipDirs  []string    `json:"gzip_dirs"`
	GzipExts  []string    `json:"gzip_exts"`
	Range     bool        `json:"range"`
	Mode      string      `json:"mode"` // header that leaves sending to the web server, "" = send it here
}

// Expires is a rule for the header Expires.
type Expires struct {
	What    string `json:"what"`  // file, path_info, uri or type
	Match   string `json:"match"` // an expression, or the type itself
	Seconds int    `json:"seconds"`
	MTime   bool   `json:"mtime"` // counted from the file's time, not from now
}
