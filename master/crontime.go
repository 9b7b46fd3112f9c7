package master

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// CronTime says when a cron job is due: -1 is every, -N every minute, hour ... that N divides, else the number itself.
type CronTime struct {
	Minute int `json:"minute"`
	Hour   int `json:"hour"`
	Day    int `json:"day"`
	Month  int `json:"month"`
	Week   int `json:"week"` // 0 and 7 are Sunday
}

// civil is a minute of the wall clock, counted as if there were no zones and no changes of them.
type civil int64

func civilOf(t time.Time, where *time.Location) civil {
	t = t.In(where)
	return civil(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC).Unix() / 60)
}

func fits(want, is int) bool {
	switch {
	case want == -1:
		return true
	case want < -1:
		return is%-want == 0
	}
	return want == is
}

// at tells whether the job is due in a minute. A day of the month and one of the week, both given as numbers, are alternatives, as in
// crontab(5).
func (c CronTime) at(minute civil) bool {
	t := time.Unix(int64(minute)*60, 0).UTC()
	if !fits(c.Minute, t.Minute()) || !fits(c.Hour, t.Hour()) || !fits(c.Month, int(t.Month())) {
		return false
	}
	day, week := fits(c.Day, t.Day()), fits(c.Week%7, int(t.Weekday()))
	if c.Week < 0 {
		week = fits(c.Week, int(t.Weekday()))
	}
	if c.Day >= 0 && c.Week >= 0 {
		return day || week
	}
	return day && week
}

// daily jobs have an hour of their own: when the clock jumps over it they run all the same, and when it comes twice they run once.
func (c CronTime) daily() bool { return c.Hour >= 0 }

// clockJump is the longest change of the wall clock that is taken for a change of the zone's offset, or for a time in which the master did
// not run. After a longer one somebody has set the clock.
const clockJump = 3 * 60 // minutes

// calendar follows the wall clock from minute to minute.
type calendar struct {
	where *time.Location
	wall  civil // the latest minute that was looked at
	real  int64 // the latest minute, unix, in which that was
	begun bool
}

// since makes the calendar go on where an earlier one had stopped.
func (c *calendar) since(unixSeconds int64) {
	c.begun = true
	c.wall = civilOf(time.Unix(unixSeconds, 0), c.where)
	c.real = unixSeconds / 60
}

// due returns for each job whether it has to run now. Every minute is looked at once.
func (c *calendar) due(now time.Time, jobs []CronTime) []bool {
	run := make([]bool, len(jobs))
	wall, real := civilOf(now, c.where), now.Unix()/60
	if !c.begun || wall > c.wall+clockJump || wall < c.wall-clockJump {
		// The first minute, or one after the clock was set: nothing is made up for.
		if c.begun && real == c.real {
			return run
		}
		c.begun, c.wall, c.real = true, wall, real
		for i, job := range jobs {
			run[i] = job.at(wall)
		}
		return run
	}
	for i, job := range jobs {
		switch {
		case job.daily():
			for m := c.wall + 1; m <= wall && !run[i]; m++ {
				run[i] = job.at(m)
			}
		case real > c.real:
			run[i] = job.at(wall)
		}
	}
	c.wall, c.real = max(c.wall, wall), max(c.real, real)
	return run
}

// next is the beginning of the next minute.
func (c *calendar) next(now time.Time) time.Time {
	return now.Add(time.Minute - time.Duration(now.Second())*time.Second - time.Duration(now.Nanosecond()))
}

// location is the time zone of the app: TZ of its environment, else the jail's /etc/localtime, as localtime(3) finds it.
func location(env []string) (*time.Location, error) {
	name, set := "", false
	for _, kv := range env {
		if value, ok := strings.CutPrefix(kv, "TZ="); ok {
			name, set = strings.TrimPrefix(value, ":"), true
		}
	}
	switch {
	case !set:
		return fileZone("/etc/localtime")
	case name == "":
		return time.UTC, nil
	case strings.HasPrefix(name, "/"):
		return fileZone(name)
	}
	where, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC, fmt.Errorf("cannot use the time zone %s: %w (cron goes by UTC)", name, err)
	}
	return where, nil
}

// fileZone reads a zone of the jail. A jail without one has UTC.
func fileZone(path string) (*time.Location, error) {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return time.UTC, nil
	}
	var where *time.Location
	if err == nil {
		where, err = time.LoadLocationFromTZData("Local", data)
	}
	if err != nil {
		return time.UTC, fmt.Errorf("cannot use the time zone of %s: %w (cron goes by UTC)", path, err)
	}
	return where, nil
}
