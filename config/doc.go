// Package config reads uWSGI's configuration language and turns it into typed groups.
//
// # From text to fields
//
// Everything becomes one ordered list of settings (Entry), each with the place where it was written:
//
//	environment          UWSGI_FOO_BAR=v is foo-bar = v
//	command line         options from left to right, as getopt_long(3) reads them
//	                     --ini, --yaml, --json, --xml and include put the file's settings right there, depth first
//	positional words     files, after all options
//	inherit              files, after everything else
//
// Then every option's setter is called in the order of the list. So the last word on a scalar counts (a positional file beats the command
// line, the command line beats an --ini before it), lists append, and inherited settings win.
//
// A text goes through these hands:
//
//	ini.go yaml.go json.go xml.go   a file's text to entries
//	magic.go                        %-letters: facts about the file and the machine, in files only
//	logic.go conditions.go          if, for and else, evaluated while the list grows; %(_) is the item
//	verbs.go                        options of the language itself: they act at once
//	expand.go arith.go              $(VARIABLE), @(source), %(placeholder), sums
//	apply.go option.go              values to fields, by the rows of each area
//	check.go                        rules across options
//
// A placeholder gives the first setting of its name, expanded, wherever that stands; so a key that is no option is how files define
// placeholders. One that nothing uses is reported as a likely slip.
//
// # Options are rows
//
// uwsgi-options.tsv lists every option name of uWSGI with its arity, kind and area, own-options.tsv those of gowsgi. An option is done when
// a row of an area's file (sockets.go, process.go, jail.go ...) binds its canonical name to a field of the group in the same file.
// decisions.tsv says of the others whether they have no effect here or are refused, and why; the rest is not supported yet. Help,
// completion, Explain and the compatibility page are made from these rows.
//
// # Errors
//
// Load gives all problems at once, as Diagnostics: one line each, with file, line, the chain of includes, key, value and what to write instead.
// What was read otherwise than it is written is a warning, an option that is accepted without effect a note. Where the language differs from
// uWSGI's is listed in docs/differences-config.md.
//
// The package is pure: it starts no process and no goroutine and changes nothing. What it may look at is in Options.
package config
