package config

import (
	"fmt"
	"slices"
	"strings"
)

// languageHelp describes the language's own options for --help; it is what makes them "done" in the table.
var languageHelp = [][2]string{
	{"ini", "read an ini file here, file[:section], - for standard input"},
	{"yaml", "read a YAML file here"},
	{"json", "read a JSON file here"},
	{"xml", "read an XML file here"},
	{"include", "read a file here, its format told by its suffix"},
	{"inherit", "read a file after all others"},
	{"config", "as include"},
	{"set", "set an option or a placeholder: key=value"},
	{"set-placeholder", "set a placeholder, key=value, that strict accepts"},
	{"declare-option", "make an option of options: name=option=$1;option=$2"},
	{"declare-option2", "as declare-option"},
	{"fallback-config", "read this file instead of everything when the configuration has errors at the first start"},
	{"early-envdir", "set variables from a directory of files before the following lines are read"},
	{"ienv", "as env, and before the following lines are read"},
	{"strict", "an unknown key in a file is an error"},
	{"ignore-unsupported", "start although options that are not supported yet are set"},
	{"explain-jail", "print the steps and mounts of the jail in their order, without doing them, and exit"},
	{"jail-check", "print what a jail can have on this machine, and how to have what is missing, and exit"},
	{"check-config", "read and check everything, print what becomes of each setting, and exit"},
	{"explain", "print what is known of an option and exit"},
	{"completion", "print shell completion (bash, zsh or fish) and exit"},
	{"help", "print this help and exit"},
	{"version", "print the version and exit"},
	{"get", "print the value of a key, the first one that was given, and exit; repeatable"},
	{"dump-options", "print the names of all options and exit"},
	{"resolve", "set a placeholder to the address of a host: placeholder=host"},
	{"inject-before", "put the text of this file before that of each file read later; repeatable"},
	{"inject-after", "put the text of this file after that of each file read later; repeatable"},
	{"ini-paste", "read an ini file, and load the app from it with paste.deploy"},
	{"ini-paste-logged", "as ini-paste, and set up logging by the file"},
	{"loop-list", "print the loop engines; on the command line, and exit"},
	{"clock-list", "print the clocks; on the command line, and exit"},
	{"cheaper-algos-list", "print the algorithms of cheaper; on the command line, and exit"},
	{"logger-list", "print the loggers; on the command line, and exit"},
	{"alarm-list", "print the alarms; on the command line, and exit"},
	{"router-list", "print the actions of routes; on the command line, and exit"},
	{"imperial-monitor-list", "print what the Emperor can watch; on the command line, and exit"},
	{"plugins-list", "print the plugins whose work is built in; on the command line, and exit"},
	{"print", "print the value at the start"},
	{"iprint", "print the value at the start"},
	{"exit", "exit while reading, with this code (default 1)"},
	{"reload", "ask the parent whose pid is in this file for a reload, wait for its result, and exit: 0 when the new stack serves"},
	{"upgrade", "have the parent whose pid is in this file replace itself by the binary that is installed now, wait for the result, and exit: 0 when all is new"},
	{"stop", "stop the parent whose pid is in this file, wait until it is gone, and exit"},
	{"ping", "ask the server of the uwsgi protocol at this address whether it answers, and exit: 0 when it does"},
	{"pause", "send SIGTSTP to the pid in this file and exit"},
	{"plugin", "checked: what the plugins did is built in, or refused"},
	{"need-plugin", "as plugin, but a missing one ends the start"},
	{"for", "repeat each following line for each word, as %(_)"},
	{"for-glob", "repeat each following line for each file that matches"},
	{"for-times", "repeat each following line this many times, %(_) counts"},
	{"for-readline", "repeat each following line for each line of a file"},
	{"endfor", "end of for"},
	{"endif", "end of if"},
	{"else", "otherwise"},
	{"if-env", "read the following lines if a variable is set: NAME or NAME=value"},
	{"if-not-env", "... if it is not"},
	{"if-opt", "read the following lines if a key was given: key or key=value"},
	{"if-not-opt", "... if it was not"},
	{"if-exists", "read the following lines if a path exists"},
	{"if-not-exists", "... if it does not"},
	{"if-file", "... if it is a file"},
	{"if-not-file", "... if it is not a file"},
	{"if-dir", "... if it is a directory"},
	{"if-not-dir", "... if it is not a directory"},
	{"if-reload", "read the following lines on a reload"},
	{"if-not-reload", "... on the first start"},
	{"if-hostname", "read the following lines on this host"},
	{"if-not-hostname", "... on any other host"},
	{"if-hostname-match", "read the following lines if the host name matches a regular expression"},
	{"if-not-hostname-match", "... if it does not"},
	{"if-plugin", "read the following lines if what a plugin does is built in"},
	{"if-not-plugin", "... if it is not"},
	{"blacklist", "refuse these options up to end-blacklist"},
	{"end-blacklist", "end of blacklist"},
	{"whitelist", "refuse all but these options up to end-whitelist"},
	{"end-whitelist", "end of whitelist"},
}

// verbs are the options that act while the list is read. Their values are expanded with what is known by then; uWSGI does not expand them
// at all, so that include = $(HOME)/x.ini finds nothing there. It is a function, because adding a setting looks verbs up again.
func verbFor(name string) (func(*loader, Entry), bool) {
	switch name {
	case "ini", "yaml", "json", "xml":
		return func(l *loader, e Entry) { l.load(e, name) }, true
	case "include", "config":
		return func(l *loader, e Entry) { l.load(e, "") }, true
	case "inherit":
		return func(l *loader, e Entry) { l.inherits = append(l.inherits, e) }, true
	case "set":
		return (*loader).set, true
	case "set-placeholder":
		return (*loader).setPlaceholder, true
	case "declare-option", "declare-option2":
		return (*loader).declare, true
	case "strict":
		return switchVerb(func(l *loader, on bool) { l.strict = on }), true
	case "ignore-unsupported":
		return switchVerb(func(l *loader, on bool) { l.lenient = on }), true
	case "fallback-config":
		return func(l *loader, e Entry) { l.fallback = e.Value }, true
	case "early-envdir":
		return (*loader).earlyEnvdir, true
	case "ienv":
		return (*loader).earlyEnv, true
	case "blacklist", "whitelist":
		return func(l *loader, e Entry) { l.limited = &keyFilter{kind: name, keys: strings.Fields(e.Value)} }, true
	case "end-blacklist", "end-whitelist":
		return func(l *loader, e Entry) { l.limited = nil }, true
	case "ini-paste", "ini-paste-logged":
		return iniPaste(name == "ini-paste-logged"), true
	case "resolve":
		return (*loader).resolveHost, true
	case "inject-before":
		return func(l *loader, e Entry) { l.inject.before = append(l.inject.before, e.Value) }, true
	case "inject-after":
		return func(l *loader, e Entry) { l.inject.after = append(l.inject.after, e.Value) }, true
	case "print", "iprint":
		return func(l *loader, e Entry) { l.prints = append(l.prints, e.Value) }, true
	}
	if _, ok := listings[name]; ok {
		return func(l *loader, e Entry) { l.list(e, name) }, true
	}
	a, ok := actions[name]
	return func(l *loader, e Entry) { a(l, e) }, ok
}

// actions are the options that ask for something else than a start. The first one wins, except that help goes before all.
var actions = map[string]func(*loader, Entry){
	"help":         asked(func(Entry) (Action, error) { return Action{Kind: ActionHelp}, nil }),
	"version":      asked(func(Entry) (Action, error) { return Action{Kind: ActionVersion}, nil }),
	"check-config": asked(func(Entry) (Action, error) { return Action{Kind: ActionCheckConfig}, nil }),
	"explain-jail": asked(func(Entry) (Action, error) { return Action{Kind: ActionExplainJail}, nil }),
	"jail-check":   asked(func(Entry) (Action, error) { return Action{Kind: ActionJailCheck}, nil }),
	"explain":      asked(explainAction),
	"completion":   asked(completionAction),
	"exit":         asked(exitAction),
	"get":          asked(func(e Entry) (Action, error) { return Action{Kind: ActionGet, Names: []string{e.Value}}, nil }),
	"dump-options": asked(func(Entry) (Action, error) { return Action{Kind: ActionDumpOptions}, nil }),
	"reload":       asked(signalAction("HUP")),
	"stop":         asked(signalAction("INT")),
	"pause":        asked(signalAction("TSTP")),
	"upgrade":      asked(signalAction("USR2")),
	"ping":         asked(pingAction),
}

func asked(f func(Entry) (Action, error)) func(*loader, Entry) {
	return func(l *loader, e Entry) {
		a, err := f(e)
		if err != nil {
			l.fail(e, err)
			return
		}
		switch {
		case l.action.Kind == ActionRun || a.Kind == ActionHelp:
			l.action = a
		case l.action.Kind == a.Kind:
			l.action.Names = append(l.action.Names, a.Names...)
		}
	}
}

func explainAction(e Entry) (Action, error) {
	name := strings.TrimLeft(e.Value, "-")
	if !isOption(name) {
		return Action{}, bad("unknown option", hintFor(name))
	}
	return Action{Kind: ActionExplain, Name: name}, nil
}

func completionAction(e Entry) (Action, error) {
	switch e.Value {
	case "bash", "zsh", "fish":
		return Action{Kind: ActionCompletion, Name: e.Value}, nil
	}
	return Action{}, bad("unknown shell", "write bash, zsh or fish")
}

func pingAction(e Entry) (Action, error) {
	v := value{Entry: e, warn: func(string, string) {}}
	addr, err := address(&v)
	return Action{Kind: ActionPing, Name: addr}, err
}

func exitAction(e Entry) (Action, error) {
	if e.Value == "" {
		return Action{Kind: ActionExit, Code: 1}, nil
	}
	v := value{Entry: e, warn: func(string, string) {}}
	n, err := v.integer(0, 255)
	return Action{Kind: ActionExit, Code: int(n)}, err
}

func signalAction(signal string) func(Entry) (Action, error) {
	return func(e Entry) (Action, error) {
		if e.Value == "" {
			return Action{}, bad("no pidfile", "")
		}
		return Action{Kind: ActionSignal, Pidfile: e.Value, Signal: signal}, nil
	}
}

func switchVerb(set func(*loader, bool)) func(*loader, Entry) {
	return func(l *loader, e Entry) {
		v := l.valueOf(&e)
		on, err := v.truth()
		if err != nil {
			l.fail(e, err)
			return
		}
		set(l, on)
	}
}

// valueOf makes what a setter takes out of an entry. Warnings repeat the entry, which a setter leaves alone, as it is written.
func (l *loader) valueOf(e *Entry) *value {
	warn := func(message, hint string) { l.report.add(SeverityWarning, *e, message, hint) }
	return &value{Entry: *e, cpus: l.o.CPUs, dir: l.envdir, warn: warn}
}

// set adds key=value as if it stood in a file.
func (l *loader) set(e Entry) {
	key, v, ok := strings.Cut(e.Value, "=")
	if !ok {
		l.fail(e, bad("not key=value", ""))
		return
	}
	l.add(Entry{Key: strings.TrimSpace(key), Value: v, HasValue: true, Pos: e.Pos})
}

// resolveHost sets a placeholder to the address of a host, an IPv4 one if there is any, as uWSGI.
func (l *loader) resolveHost(e Entry) {
	name, host, ok := strings.Cut(e.Value, "=")
	if !ok || name == "" || host == "" {
		l.fail(e, bad("not placeholder=host", ""))
		return
	}
	if l.o.Lookup == nil {
		l.fail(e, errNotHere)
		return
	}
	addrs, err := l.o.Lookup(host)
	if err != nil || len(addrs) == 0 {
		l.fail(e, fmt.Errorf("cannot look up the host %s: %v", host, err))
		return
	}
	at := max(slices.IndexFunc(addrs, func(a string) bool { return !strings.Contains(a, ":") }), 0)
	l.free[name] = true
	l.add(Entry{Key: name, Value: addrs[at], HasValue: true, Pos: e.Pos})
}

// setPlaceholder adds a placeholder; the name of a real option is refused, so that a slip cannot set it.
func (l *loader) setPlaceholder(e Entry) {
	key, _, ok := strings.Cut(e.Value, "=")
	if !ok {
		l.fail(e, bad("not key=value", ""))
		return
	}
	if isOption(key) {
		l.fail(e, bad(key+" is an option, not a placeholder", "use set, or choose another name"))
		return
	}
	l.free[key] = true
	l.set(e)
}

// declaration is an option made by declare-option: "option=value;option=value" with $1 to $9 for the words of its argument.
type declaration struct {
	parts []string
	busy  bool
}

func (l *loader) declare(e Entry) {
	name, body, ok := strings.Cut(e.Value, "=")
	if !ok || name == "" {
		l.fail(e, bad("not name=option=value;option=value", ""))
		return
	}
	l.declared[name] = declaration{parts: strings.Split(body, ";")}
}

func (l *loader) expandDeclared(e Entry, d declaration) {
	if d.busy {
		l.fail(e, bad("the declared option leads back to itself", ""))
		return
	}
	shown := e
	shown.logic = true
	l.append(shown)
	l.used[e.Key] = true
	words := strings.Fields(e.Value)
	d.busy = true
	l.declared[e.Key] = d
	for _, part := range d.parts {
		key, v, _ := strings.Cut(part, "=")
		for i := min(len(words), 9); i > 0; i-- {
			v = strings.ReplaceAll(v, "$"+string(rune('0'+i)), words[i-1])
		}
		l.add(Entry{Key: strings.TrimSpace(key), Value: v, HasValue: true, Pos: e.Pos})
	}
	d.busy = false
	l.declared[e.Key] = d
}

// keyFilter is a blacklist or a whitelist that is in force.
type keyFilter struct {
	kind string
	keys []string
}

func (f *keyFilter) allows(key string) bool {
	if key == "end-"+f.kind {
		return true
	}
	for _, k := range f.keys {
		if k == key {
			return f.kind == "whitelist"
		}
	}
	return f.kind == "blacklist"
}
