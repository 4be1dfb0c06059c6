package report

import "time"

type stateFields struct {
	State string `json:"state"` // paused or running
}

// Paused says that the transfer was paused, or that it goes on.
func (t *Transfer) Paused(on bool) {
	now := time.Now()
	fields, text := stateFields{"running"}, t.name+" goes on"
	if on {
		fields, text = stateFields{"paused"}, t.name+" is paused until shoal continue lets it go on"
	}
	t.r.post(func() {
		t.r.console.note(text)
		t.r.view.show(t.event("state", now, fields))
	})
}
