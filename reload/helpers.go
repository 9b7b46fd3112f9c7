package reload

import (
	"gowsgi/config"
	"gowsgi/metrics"
)

// helperInfo names the mules and spooler processes in the order of their records in the scoreboard.
func helperInfo(cfg *config.Config) (mules []metrics.MuleInfo, spoolers []metrics.SpoolerInfo) {
	for _, program := range cfg.Mules.List {
		mules = append(mules, metrics.MuleInfo{Program: program})
	}
	for _, dir := range cfg.Spooler.Dirs {
		for range cfg.Spooler.Processes {
			if !dir.External {
				spoolers = append(spoolers, metrics.SpoolerInfo{Dir: dir.Path})
			}
		}
	}
	return mules, spoolers
}
