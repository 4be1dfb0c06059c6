package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/shoal-dl/shoal/fetch/report"
	"github.com/shoal-dl/shoal/verify"
)

// tell answers with what came of it: a table for people, events for programs.
func (s *show) tell() {
	s.Note("") // apart from what stands above it on a terminal
	for _, line := range s.table() {
		s.Result(line)
	}
	for _, from := range s.books.sources {
		s.Event("brought", verify.ID{}, struct {
			Source   string `json:"source"`
			What     string `json:"what"`
			Bytes    int64  `json:"bytes"`
			Rejected int    `json:"rejected"` // pieces
			Banned   string `json:"banned"`   // why; "" = it was not
		}{from.at, from.what, from.bytes, from.rejected, from.banned})
	}
	s.Event("outcome", verify.ID{}, struct {
		Size    int64   `json:"size"`   // bytes, as the next two
		Killed  int64   `json:"killed"` // there when it was killed
		Kept    int64   `json:"kept"`   // of those, not fetched again
		Seconds float64 `json:"seconds"`
		Alone   float64 `json:"seconds_alone"` // from one mirror alone
	}{s.stage.size, s.killed, s.kept, seconds(s.together), seconds(s.alone)})
}

// seconds leaves out what nobody could measure again.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// table is the outcome in lines of at most 79 columns.
func (s *show) table() []string {
	b := s.books
	all, fromPeers := b.sum()
	lines := []string{
		fmt.Sprintf("%s: signed, fetched, killed at %d %%, resumed, right to the last byte",
			report.Bytes(b.size), percent(s.killed, b.size)),
		"",
		fmt.Sprintf("   %-12s  %-15s  %10s  %5s", "who", "where", "brought", "share"),
	}
	for _, from := range b.sources {
		share := percent(from.bytes, all)
		end := strings.Repeat("=", (share*barWidth+50)/100)
		if from.rejected > 0 {
			end = rejected(from.rejected) + ", banned"
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%c  %-12s  %-15s  %10s  %3d %%  %s",
			from.mark, from.what, from.at, report.Bytes(from.bytes), share, end), " "))
	}
	lines = append(lines, "")
	for _, row := range rows(b.pieces) {
		lines = append(lines, "   "+row)
	}
	slower := max(s.together, s.alone)
	lines = append(lines, "",
		fmt.Sprintf("peers brought %d %%; the kill cost %s, fetched again", percent(fromPeers, all), report.Bytes(max(all-b.size, 0))),
		"",
		took("all of them, with the kill", s.together, slower),
		took("one mirror alone (F)", s.alone, slower))
	return lines
}

// took is a line with a bar for a time.
func took(what string, d, slowest time.Duration) string {
	return fmt.Sprintf("%-26s  %5.1f s  %s", what, d.Seconds(), strings.Repeat("=", int(d*barWidth/max(slowest, 1))))
}

// percent is how many hundredths of all some are.
func percent(some, all int64) int {
	if all == 0 {
		return 0
	}
	return int((some*100 + all/2) / all)
}
