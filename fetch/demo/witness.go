package demo

import (
	"fmt"

	"github.com/shoal-dl/shoal/fetch"
	"github.com/shoal-dl/shoal/fetch/report"
)

// Witness is an Observer that passes everything on and remembers who was sent
// away, and why. It is asked once the job has ended.
type Witness struct {
	fetch.Observer
	gone map[string]string // the reason, by the source's name
}

// SourceChanged implements fetch.Observer.
func (w *Witness) SourceChanged(s fetch.Source, state fetch.SourceState, reason string) {
	if state != fetch.StateJoined {
		if w.gone == nil {
			w.gone = map[string]string{}
		}
		w.gone[s.Name()] = string(state) + ": " + reason
	}
	w.Observer.SourceChanged(s, state, reason)
}

// Story says in a line for each mirror what it sent and what became of it.
func (s *Stage) Story(w *Witness) []string {
	var lines []string
	for _, m := range s.mirrors {
		fate, gone := w.gone[m.url]
		if !gone {
			fate = "stayed to the end"
		}
		lines = append(lines, fmt.Sprintf("%-5s  %s  sent %8s, %s", m.role, m.url, report.Bytes(m.sent.Load()), fate))
	}
	return lines
}
