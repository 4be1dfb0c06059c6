package demo

import "github.com/shoal-dl/shoal/fetch"

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

// Verdict says what became of a mirror: how it left, or that it stayed.
func (w *Witness) Verdict(m *Mirror) string {
	if gone, ok := w.gone[m.URL]; ok {
		return gone
	}
	return "stayed"
}
