package worker

import "gowsgi/serving"

// Serve is what the runtime does with requests beside calling the app.
type Serve struct {
	serving.Answers
	Static *serving.Static `json:"static"` // nil when no files are served
}
