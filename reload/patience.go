package reload

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
)

// startup is how long a start waits for what the jail of a parent that was killed a moment ago still holds: addresses, an interface.
const startup = time.Second

// patience is none once something serves: then nothing may hold the owner up.
func (p *parent) patience() time.Duration {
	if p.plan.served {
		return 0
	}
	return startup
}

// listen finds the socket among those that are bound, or binds it.
func (p *parent) listen(s *config.Socket, env *socketEnv) (*listener, error) {
	key := socketKey(s.Addr, env)
	for i, l := range p.sockets {
		if l.key == key {
			if err := l.retune(env); err != nil {
				return nil, err
			}
			p.log.Info().Msgf("uwsgi socket %d inherited %s fd %d", i, l.name, l.fd())
			return l, nil
		}
	}
	l, err := bind(s.Addr, env)
	for deadline := time.Now().Add(p.patience()); errors.Is(err, unix.EADDRINUSE) && time.Now().Before(deadline); l, err = bind(s.Addr, env) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	if s.Front {
		p.log.Info().Msgf("uWSGI http bound on %s fd %d", s.Addr, l.fd())
	} else {
		p.log.Info().Msgf("uwsgi socket %d bound to %s fd %d", len(p.sockets), l.name, l.fd())
	}
	p.sockets = append(p.sockets, l)
	return l, nil
}
