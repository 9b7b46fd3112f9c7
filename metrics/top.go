package metrics

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// TopOptions is the screen of `gowsgi top`. Width and Height are in character cells; 0 means without limit.
type TopOptions struct {
	Width, Height int
	Elapsed       time.Duration // between the two documents
	Sort          string        // order of the workers, "" = SortRPS
}

// The orders of the workers.
const (
	SortRPS      = "rps"
	SortBusy     = "busy"
	SortRSS      = "rss"
	SortRequests = "requests"
	SortID       = "id"
)

// sortKey is what the workers are sorted by, the largest first.
func sortKey(prev, cur *Document, i int, opt TopOptions) float64 {
	w := &cur.Workers[i]
	switch opt.Sort {
	case SortBusy:
		return topRate(prev, cur, i, runningOf, opt)
	case SortRSS:
		return float64(w.RSS)
	case SortRequests:
		return float64(w.Requests)
	case SortID:
		return -float64(w.ID)
	}
	return topRate(prev, cur, i, requestsOf, opt)
}

// RenderTop returns the lines of a terminal screen for a stats document, ours or uWSGI's. With an earlier document prev
// of the same instance, and the time between them, rates are shown; without (nil) they are "-". The lines hold no
// control characters whatever the document holds, and are cut to the screen.
func RenderTop(prev, cur *Document, opt TopOptions) []string {
	lines := topHead(prev, cur, opt)
	lines = append(lines, "", fmt.Sprintf(topRow, "WID", "PID", "STATUS", "%BUSY", "REQ", "RPS", "EXC", "HAR", "SPAWN", "RSS", "TX",
		"AVG ms", "AGE", "STATE"))
	order := make([]int, len(cur.Workers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { // the busiest first, as one looks for them
		return cmp.Compare(sortKey(prev, cur, b, opt), sortKey(prev, cur, a, opt))
	})
	for _, i := range order {
		lines = append(lines, topWorker(prev, cur, i, opt))
	}
	for i, line := range lines {
		lines[i] = CutLine(line, opt.Width)
	}
	if opt.Height > 0 && len(lines) > opt.Height {
		lines = lines[:opt.Height]
	}
	return lines
}

const topRow = "%4s %8s %-6s %5s %10s %8s %6s %5s %6s %8s %8s %8s %8s %s"

// topHead returns the lines above the table.
func topHead(prev, cur *Document, opt TopOptions) []string {
	var requests, tx, rss int64
	rate, known := 0.0, false
	counts := map[string]int{}
	for i, w := range cur.Workers {
		requests, tx, rss = requests+w.Requests, tx+w.TX, rss+w.RSS
		counts[w.Status]++
		if r := topRate(prev, cur, i, requestsOf, opt); r >= 0 {
			rate, known = rate+r, true
		}
	}
	if g := cur.Gowsgi; g != nil {
		requests, tx, rss = g.Requests, g.TX, g.RSS
	}
	rps := "-"
	if known {
		rps = fmt.Sprintf("%.1f", rate)
	}
	head := []string{
		fmt.Sprintf("gowsgi top - %s - pid %d, uid %d, gid %d, cwd %s", cur.Version, cur.PID, cur.UID, cur.GID, cur.CWD),
		fmt.Sprintf("requests %d, rps %s, tx %s, rss %s", requests, rps, bytesWord(tx), bytesWord(rss)),
		fmt.Sprintf("workers %d: %d busy, %d idle, %d cheap", len(cur.Workers), counts["busy"], counts["idle"], counts["cheap"]),
	}
	if n := counts["pause"]; n > 0 {
		head[2] += fmt.Sprintf(", %d paused", n)
	}
	var queues []string
	for _, s := range cur.Sockets {
		queues = append(queues, fmt.Sprintf("%s %d/%d", s.Name, s.Queue, s.MaxQueue))
	}
	if queues != nil {
		head = append(head, "queues "+strings.Join(queues, ", "))
	}
	return append(head, topGowsgi(cur.Gowsgi)...)
}

// topGowsgi returns what uWSGI's document does not tell: causes of deaths, reloads, jails.
func topGowsgi(g *GowsgiDoc) []string {
	if g == nil {
		return nil
	}
	up := "-"
	if g.StartedAt > 0 {
		up = ageWord(int64(g.Time) - g.StartedAt)
	}
	head := []string{fmt.Sprintf("up %s, generation %d, wanted %d, respawns %d, harakiri %d, reloads %d ok %d failed, jail built in %.0f ms",
		up, g.Generation, g.WorkersWanted, g.Respawns, g.Harakiri, g.Reloads.OK, g.Reloads.Failed, g.JailBuild*1000)}
	if deaths := causesWord(g.Deaths); deaths != "" {
		head = append(head, "deaths "+deaths)
	}
	if g.Reloads.LastFailed > 0 && g.Reloads.LastFailed >= g.Reloads.LastOK {
		head = append(head, fmt.Sprintf("last reload failed %s ago: %s", ageWord(int64(g.Time)-g.Reloads.LastFailed), g.Reloads.LastError))
	}
	return head
}

// topWorker returns the row of a worker.
func topWorker(prev, cur *Document, i int, opt TopOptions) string {
	w := &cur.Workers[i]
	state, age := "", "-"
	now := time.Now().Unix()
	if g := cur.Gowsgi; g != nil {
		now = int64(g.Time)
		if i < len(g.Workers) {
			state = strings.TrimSpace(fmt.Sprintf("%s gen %d %s", g.Workers[i].State, g.Workers[i].Generation, causesWord(g.Workers[i].Deaths)))
		}
	}
	if w.LastSpawn > 0 {
		age = ageWord(now - w.LastSpawn)
	}
	busy := rateWord(topRate(prev, cur, i, runningOf, opt) / 1e4)
	return fmt.Sprintf(topRow, fmt.Sprint(w.ID), fmt.Sprint(w.PID), w.Status, busy, fmt.Sprint(w.Requests),
		rateWord(topRate(prev, cur, i, requestsOf, opt)), fmt.Sprint(w.Exceptions), fmt.Sprint(w.HarakiriCount),
		fmt.Sprint(w.RespawnCount), bytesWord(w.RSS), bytesWord(w.TX), fmt.Sprintf("%.1f", float64(w.AvgRT)/1000), age, state)
}

func requestsOf(w *WorkerDoc) int64 { return w.Requests }

func runningOf(w *WorkerDoc) int64 { return w.RunningTime }

// topRate returns how fast a worker's counter grew per second, -1 when that is not known. A counter that went back (the
// instance was started anew) counts from zero.
func topRate(prev, cur *Document, i int, of func(*WorkerDoc) int64, opt TopOptions) float64 {
	if prev == nil || opt.Elapsed <= 0 || i >= len(prev.Workers) {
		return -1
	}
	now, before := of(&cur.Workers[i]), of(&prev.Workers[i])
	if before < 0 || before > now {
		before = 0
	}
	return max(float64(now-before)/opt.Elapsed.Seconds(), 0)
}

func rateWord(v float64) string {
	if v < 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", v)
}

// bytesWord shows a number of bytes in at most 8 cells.
func bytesWord(n int64) string {
	v := float64(n)
	for _, unit := range []string{"B", "K", "M", "G", "T", "P"} {
		if v < 1024 {
			if unit == "B" {
				return fmt.Sprintf("%.0fB", v)
			}
			return fmt.Sprintf("%.1f%s", v, unit)
		}
		v /= 1024
	}
	return fmt.Sprintf("%.1fE", v)
}

// ageWord shows seconds as the two largest units.
func ageWord(s int64) string {
	switch {
	case s < 0:
		return "0s"
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
	}
}

// causesWord lists causes with their counts, the most frequent first.
func causesWord(deaths map[string]int64) string {
	causes := make([]string, 0, len(deaths))
	for c, n := range deaths {
		if n > 0 {
			causes = append(causes, c)
		}
	}
	slices.SortFunc(causes, func(a, b string) int { return cmp.Or(cmp.Compare(deaths[b], deaths[a]), cmp.Compare(a, b)) })
	for i, c := range causes {
		causes[i] = fmt.Sprintf("%s=%d", c, deaths[c])
	}
	return strings.Join(causes, " ")
}

// CutLine makes a line safe for a terminal and cuts it to a width: names in the document (a socket's, a directory's)
// may hold escape sequences.
func CutLine(line string, width int) string {
	var out strings.Builder
	cells := 0
	for len(line) > 0 && (width <= 0 || cells < width) {
		r, size := utf8.DecodeRuneInString(line)
		line = line[size:]
		if !unicode.IsPrint(r) {
			r = '?'
		}
		out.WriteRune(r)
		cells++
	}
	return strings.TrimRight(out.String(), " ")
}
