// Package mount holds the mount verbs a jail is built from, all by descriptor.
//
// A Tree is a mount that a descriptor names: a clone of something that is already mounted (Clone) or a new filesystem (New). It is detached
// until Attach hangs it on a directory or file, which is a descriptor too (Resolve finds it below a root without following one symbolic
// link). Nothing here ever looks the same path up twice, so that a directory that is swapped for a symbolic link between check and use
// (CVE-2021-30465, CVE-2023-27561) has nothing to win.
//
// The calls are those of Linux 5.2 (open_tree, move_mount, fsopen, fsconfig, fsmount), 5.6 (openat2) and 5.12 (mount_setattr).
package mount
