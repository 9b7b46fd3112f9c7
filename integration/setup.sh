#!/bin/bash
# Install what building and testing need and this machine lacks (Debian, as root). Does nothing when all is there.
set -euo pipefail

# command or file -> package
needs=(
	nginx:nginx-light
	mmdebstrap:mmdebstrap
	uwsgi:uwsgi-core
	/usr/lib/uwsgi/plugins/python3_plugin.so:uwsgi-plugin-python3
	/usr/bin/python3:python3
	/usr/lib/python3/dist-packages/flask/__init__.py:python3-flask
	/usr/lib/python3/dist-packages/django/__init__.py:python3-django
	/usr/lib/python3/dist-packages/pyflakes/__init__.py:python3-pyflakes
	/usr/lib/python3/dist-packages/pycodestyle.py:python3-pycodestyle
	curl:curl
	git:git
	gcc:gcc
	/usr/include/stdlib.h:libc6-dev
	unshare:util-linux
	setpriv:util-linux
	ip:iproute2
)

missing=()
for need in "${needs[@]}"; do
	what=${need%:*}
	case $what in
	/*) [ -e "$what" ] || missing+=("${need##*:}") ;;
	*) command -v "$what" >/dev/null || [ -x "/usr/sbin/$what" ] || missing+=("${need##*:}") ;;
	esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "setup: missing packages (install them as root): ${missing[*]}"
	exit 0
fi

# Only the programs are wanted: no daemon is to be started by the installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
	trap 'rm -f $policy' EXIT
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q </dev/null
apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
