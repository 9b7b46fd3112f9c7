package metrics

// NewDocument builds the stats document of one moment.
func NewDocument(snap Snapshot, info Info) *Document {
	doc := &Document{
		Version:           info.Version,
		ListenQueueErrors: int64(info.QueueErrors),
		PID:               info.PID,
		UID:               info.UID,
		GID:               info.GID,
		CWD:               info.CWD,
		Metrics:           info.metrics(&snap),
		Locks:             make([]map[string]int, 0, len(info.Locks)),
		Sockets:           make([]SocketDoc, 0, len(info.Sockets)),
		Workers:           make([]WorkerDoc, 0, len(snap.Workers)),
		Gowsgi:            gowsgiDoc(&snap, &info),
	}
	for _, s := range info.Sockets {
		doc.ListenQueue = max(doc.ListenQueue, int64(s.Queue.Length))
		doc.Sockets = append(doc.Sockets, SocketDoc{
			Name: s.Name, Proto: s.Proto, Queue: int64(s.Queue.Length), MaxQueue: int64(s.Queue.Max),
			Shared: bit(s.Shared), CanOffload: bit(s.CanOffload),
		})
	}
	doc.Load = doc.ListenQueue // uWSGI's load is the backlog too
	for _, l := range info.Locks {
		doc.Locks = append(doc.Locks, map[string]int{l.Name: l.PID})
	}
	for i := range snap.Workers {
		doc.Workers = append(doc.Workers, workerDoc(&snap.Workers[i], &info))
	}
	doc.addHelpers(&info)
	return doc
}

// addHelpers fills in the processes around the workers.
func (doc *Document) addHelpers(info *Info) {
	for _, d := range info.Daemons {
		doc.Daemons = append(doc.Daemons, DaemonDoc{Command: d.Command, PID: d.PID, Respawns: int64(d.Respawns)})
	}
	for i, m := range info.Mules {
		doc.Gowsgi.Mules = append(doc.Gowsgi.Mules, MuleDoc{
			ID: i + 1, PID: m.PID, Program: m.Program, Messages: clamp(m.Messages), Signals: clamp(m.Signals), Respawns: clamp(m.Respawns), Busy: bit(m.Busy),
		})
	}
	for _, s := range info.Spoolers {
		doc.Spoolers = append(doc.Spoolers, SpoolerDoc{
			Dir: s.Dir, PID: s.PID, Tasks: clamp(s.Tasks), Respawns: clamp(s.Respawns), Running: bit(s.Running),
		})
	}
	for _, c := range info.Crons {
		doc.Crons = append(doc.Crons, CronDoc{
			Minute: c.Minute, Hour: c.Hour, Day: c.Day, Month: c.Month, Week: c.Week, Command: c.Command,
			Unique: bit(c.Unique), Legion: c.Legion, PID: c.PID, StartedAt: unixSeconds(c.Started),
		})
	}
}

func workerDoc(w *Worker, info *Info) WorkerDoc {
	doc := WorkerDoc{
		PID:           w.PID,
		Accepting:     bit(w.Accepting),
		Requests:      int64(w.Requests),
		DeltaRequests: int64(w.DeltaRequests),
		Exceptions:    int64(w.Exceptions),
		HarakiriCount: int64(w.Harakiri),
		Signals:       int64(w.Signals),
		Status:        w.uwsgiStatus(info.Paused),
		RSS:           int64(w.RSS),
		VSZ:           int64(w.VSZ),
		RunningTime:   int64(w.RunningTime),
		LastSpawn:     unixSeconds(w.LastSpawn),
		RespawnCount:  int64(w.RespawnCount),
		TX:            int64(w.TX),
		AvgRT:         int64(w.AvgRT),
		Apps:          []AppDoc{},
		Cores:         make([]CoreDoc, 0, len(w.Cores)),
	}
	if w.RespawnCount > 0 {
		doc.ID = w.ID
	}
	if w.PID != 0 {
		doc.Apps = appDocs(w, info.Apps)
	}
	for _, c := range w.Cores {
		core := CoreDoc{
			ID: c.ID, Requests: int64(c.Requests), WriteErrors: int64(c.WriteErrors), ReadErrors: int64(c.ReadErrors),
			InRequest: bit(c.InRequest), Vars: []string{},
		}
		core.ReqInfo.RequestStart = unixSeconds(c.Start)
		doc.Cores = append(doc.Cores, core)
	}
	return doc
}

// appDocs lists the apps of a worker. The scoreboard counts by core, not by app: with one app the worker's requests are
// its, with several they are counted on the first, the default one.
func appDocs(w *Worker, apps []AppInfo) []AppDoc {
	docs := make([]AppDoc, 0, len(apps))
	for i, a := range apps {
		doc := AppDoc{
			ID: a.ID, Modifier1: a.Modifier1, Mountpoint: a.Mountpoint, StartupTime: int64(a.StartupTime), Chdir: a.Chdir,
		}
		if i == 0 {
			doc.Requests, doc.Exceptions = int64(w.Requests), int64(w.Exceptions)
		}
		docs = append(docs, doc)
	}
	return docs
}

// uwsgiStatus returns one of the words uWSGI's document has for a worker: a worker without a process is cheap there,
// one that starts or leaves is idle or busy like any other.
func (w *Worker) uwsgiStatus(paused bool) string {
	if !hasProcess(w.State) {
		return StatusCheap.String()
	}
	for _, c := range w.Cores {
		if c.InRequest {
			return StatusBusy.String()
		}
	}
	if paused {
		return "pause"
	}
	return StatusIdle.String()
}

func gowsgiDoc(snap *Snapshot, info *Info) *GowsgiDoc {
	t := &snap.Totals
	doc := &GowsgiDoc{
		Generation:     snap.Generation,
		StartedAt:      unixSeconds(info.Start),
		Time:           float64(snap.Time.UnixMilli()) / 1000,
		WorkersWanted:  info.Wanted,
		Processes:      make(map[string]int, numStatuses),
		Requests:       int64(t.Requests),
		Exceptions:     int64(t.Exceptions),
		TX:             int64(t.TX),
		RSS:            int64(t.RSS),
		Harakiri:       int64(t.Harakiri),
		Respawns:       int64(t.Respawns),
		MasterRespawns: int64(info.MasterRespawns),
		Deaths:         deathDoc(&t.Deaths),
		Reloads:        reloadsDoc(&info.Reloads),
		JailBuild:      info.JailBuilds.Last.Seconds(),
		Jail:           info.Jail,
		Workers:        make([]GowsgiWorkerDoc, 0, len(snap.Workers)),
	}
	for status, n := range snap.Processes {
		doc.Processes[Status(status).String()] = n
	}
	for i := range snap.Workers {
		w := &snap.Workers[i]
		doc.Workers = append(doc.Workers, GowsgiWorkerDoc{
			ID: w.ID, Generation: w.Generation, State: w.State.String(), Deaths: deathDoc(&w.Deaths),
		})
	}
	return doc
}

func deathDoc(deaths *[NumCauses]uint64) map[string]int64 {
	doc := map[string]int64{}
	for cause, n := range deaths {
		if n > 0 {
			word := Cause(cause).String()
			doc[word] = int64(SatAdd(uint64(doc[word]), n))
		}
	}
	return doc
}

func reloadsDoc(r *Reloads) ReloadsDoc {
	doc := ReloadsDoc{
		OK:         int64(r.OK),
		Failed:     int64(r.AllFailures()),
		Reasons:    map[string]int64{},
		LastOK:     unixSeconds(r.LastOK),
		LastFailed: unixSeconds(r.LastFailed),
		LastError:  r.LastError,
	}
	for why := range NumReloadFailures + 1 {
		if n := r.Failures(why); n > 0 {
			doc.Reasons[why.String()] = int64(n)
		}
	}
	return doc
}

// clamp keeps what a jail may have written within a reader's integers.
func clamp(n uint64) int64 { return int64(min(n, counterMax)) }

func bit(set bool) int { return int(bit32(set)) }
