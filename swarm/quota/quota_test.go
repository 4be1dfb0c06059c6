package quota

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

// at is a time of that day in a zone where nothing odd happens.
func at(text string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", text, time.FixedZone("here", 3600))
	if err != nil {
		panic(err)
	}
	return t
}

func TestHours(t *testing.T) {
	work, night := [2]int{9 * 60, 18 * 60}, [2]int{22*60 + 30, 6 * 60}
	for _, test := range []struct {
		hours Hours
		now   string
		until string // "" when they are not quiet
	}{
		{nil, "2026-11-25 12:00", ""},
		{Hours{work}, "2026-11-25 08:59", ""},
		{Hours{work}, "2026-11-25 09:00", "2026-11-25 18:00"},
		{Hours{work}, "2026-11-25 17:59", "2026-11-25 18:00"},
		{Hours{work}, "2026-11-25 18:00", ""},
		{Hours{night}, "2026-11-30 22:29", ""},
		{Hours{night}, "2026-11-30 22:30", "2026-12-01 06:00"},
		{Hours{night}, "2026-12-01 00:00", "2026-12-01 06:00"},
		{Hours{night}, "2026-12-01 06:00", ""},
		{Hours{night, {6 * 60, 9 * 60}, work}, "2026-11-30 23:00", "2026-12-01 18:00"},
		{Hours{work, {12 * 60, 20 * 60}}, "2026-11-25 13:00", "2026-11-25 20:00"},
		{Hours{{22 * 60, 0}}, "2026-11-25 23:59", "2026-11-26 00:00"},
		{Hours{{22 * 60, 0}}, "2026-11-26 00:00", ""},
	} {
		until, quiet := test.hours.at(at(test.now))
		if got := until.Format("2006-01-02 15:04"); quiet != (test.until != "") || quiet && got != test.until {
			t.Errorf("%v at %s: quiet %v until %s, want %q", test.hours, test.now, quiet, got, test.until)
		}
	}
	for _, all := range []Hours{{{0, day}}, {{0, 720}, {720, day}}, {{720, 719}, {719, 720}}} {
		if until, quiet := all.at(at("2026-11-25 03:00")); !quiet || !until.IsZero() {
			t.Errorf("%v: quiet %v until %v", all, quiet, until)
		}
	}
}

// TestHoursOfAnOddDay has a day with an hour less: the clock on the wall decides.
func TestHoursOfAnOddDay(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	now := time.Date(2026, 3, 29, 0, 30, 0, 0, berlin)
	until, quiet := Hours{{22 * 60, 6 * 60}}.at(now)
	if !quiet || until.Hour() != 6 || until.Sub(now) != 4*time.Hour+30*time.Minute {
		t.Errorf("quiet %v for %v, until %v", quiet, until.Sub(now), until)
	}
}

func TestJudge(t *testing.T) {
	quiet := Hours{{9 * 60, 18 * 60}}
	noon, night := at("2026-12-25 12:00"), at("2026-12-25 23:00")
	for _, test := range []struct {
		rules Rules
		state state
		want  string // the reason, "lan" if it concerns all, and until when
	}{
		{Rules{}, state{now: noon}, ""},
		{Rules{Quiet: quiet}, state{now: noon, battery: true, spent: true}, "quiet-hours lan 12-25 18:00"},
		{Rules{Quiet: quiet, Anyway: true}, state{now: noon}, "quiet-hours lan 12-25 18:00"},
		{Rules{Quiet: quiet}, state{now: night}, ""},
		{Rules{}, state{now: noon, battery: true, metered: true}, "battery lan"},
		{Rules{}, state{now: noon, metered: true}, "metered"},
		{Rules{Anyway: true}, state{now: noon, battery: true, metered: true}, ""},
		{Rules{Monthly: 1}, state{now: noon, metered: true, spent: true}, "monthly-upload 01-01 00:00"},
		{Rules{Monthly: 1, Anyway: true}, state{now: noon, battery: true, spent: true}, "monthly-upload 01-01 00:00"},
		{Rules{}, state{now: noon, spent: true}, ""},
	} {
		v := test.rules.judge(test.state)
		got := v.Reason
		if v.LAN {
			got += " lan"
		}
		if !v.Until.IsZero() {
			got += v.Until.Format(" 01-02 15:04")
		}
		if got != test.want {
			t.Errorf("%+v in %+v: %q, want %q", test.rules, test.state, got, test.want)
		}
		if v.Forbids(false) != (test.want != "") || v.Forbids(true) != strings.Contains(test.want, "lan") {
			t.Errorf("%+v forbids %v and in the LAN %v", v, v.Forbids(false), v.Forbids(true))
		}
	}
}

func TestBattery(t *testing.T) {
	supply := func(files fstest.MapFS, name, kind, key, value, scope string) {
		for k, v := range map[string]string{"type": kind, key: value, "scope": scope} {
			if v != "" {
				files[name+"/"+k] = &fstest.MapFile{Data: []byte(v + "\n")}
			}
		}
	}
	for name, test := range map[string]struct {
		supplies [][]string // name, type, a key, its value, scope
		want     bool
	}{
		"a desktop":         {nil, false},
		"a desktop's mains": {[][]string{{"AC", "Mains", "online", "1", ""}}, false},
		"a desktop with a mouse": {
			[][]string{{"hidpp_battery_0", "Battery", "status", "Discharging", "Device"}}, false,
		},
		"a laptop":             {[][]string{{"BAT0", "Battery", "status", "Discharging", ""}, {"AC", "Mains", "online", "0", ""}}, true},
		"a laptop of a kind":   {[][]string{{"BAT0", "Battery", "status", "Discharging", "System"}}, true},
		"a laptop on mains":    {[][]string{{"AC", "Mains", "online", "1", ""}, {"BAT0", "Battery", "status", "Discharging", ""}}, false},
		"a laptop being full":  {[][]string{{"BAT0", "Battery", "status", "Full", ""}}, false},
		"a laptop with two":    {[][]string{{"BAT0", "Battery", "status", "Not charging", ""}, {"BAT1", "Battery", "status", "Discharging", ""}}, true},
		"an outlet with a UPS": {[][]string{{"ups", "UPS", "status", "Discharging", ""}}, false},
		"an odd thing":         {[][]string{{"odd", "", "status", "Discharging", ""}}, false},
	} {
		files := fstest.MapFS{}
		for _, s := range test.supplies {
			supply(files, s[0], s[1], s[2], s[3], s[4])
		}
		if got := onBattery(files); got != test.want {
			t.Errorf("%s: on battery %v", name, got)
		}
	}
}

func TestBatteryElsewhere(t *testing.T) {
	for said, want := range map[string]bool{
		"Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t93%; discharging; 5:12 remaining present: true\n": true,
		"Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t93%; charging; 0:12 remaining present: true\n":         false,
		"Now drawing from 'AC Power'\n": false, "": false, "Now drawing from 'UPS Power'\n 'Battery Power'": false,
	} {
		if drawsFromBattery(said) != want {
			t.Errorf("pmset says %q: on battery %v", said, !want)
		}
	}
	for _, test := range []struct {
		line, battery byte
		want          bool
	}{{0, 1, true}, {0, 0, true}, {1, 1, false}, {0, 128, false}, {255, 255, false}, {0, 255, false}, {1, 128, false}} {
		if offMains(test.line, test.battery) != test.want {
			t.Errorf("Windows says %d, %d: on battery %v", test.line, test.battery, !test.want)
		}
	}
}

// TestKeeper lets the last day of a month pass.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var battery atomic.Bool
		k := New(Options{
			Rules: Rules{Monthly: 3 << 20, Quiet: Hours{{60, 120}}},
			File:  filepath.Join(t.TempDir(), "uploads"), Now: func() time.Time { return time.Now().UTC().AddDate(27, 0, 30) },
			Probes: Probes{Battery: func(context.Context) bool { return battery.Load() }},
		})
		ctx, stop := context.WithCancel(t.Context())
		var said []string
		ended := make(chan struct{})
		begun := time.Now()
		go func() {
			defer close(ended)
			k.Run(ctx, func(v Verdict) { said = append(said, time.Since(begun).String()+" "+v.Reason) })
		}()
		time.Sleep(3*time.Hour + time.Second/2)
		battery.Store(true)
		time.Sleep(time.Hour)
		battery.Store(false)
		time.Sleep(time.Hour)
		for k.Take(1 << 20) {
		}
		if n := k.Used(); n != 3<<20 {
			t.Errorf("%d bytes are counted", n)
		}
		time.Sleep(20 * time.Hour)
		if n := k.Used(); n != 0 || !k.Take(1<<20) {
			t.Errorf("in a new month %d bytes are counted", n)
		}
		stop()
		<-ended
		want := []string{
			"1h0m0s quiet-hours", "2h0m0s ", "3h1m0s battery", "4h1m0s ", "5h0m0.5s monthly-upload", "24h0m0s ", "25h0m0s quiet-hours",
		}
		if !slices.Equal(said, want) {
			t.Errorf("it said %q, want %q", said, want)
		}
	})
}

// TestClockOfBoot starts in 1970, as machines do whose clock has no battery, and
// learns the time later: the bytes of the month stay counted.
func TestClockOfBoot(t *testing.T) {
	now := at("2027-03-20 12:00")
	o := Options{
		Rules: Rules{Monthly: 10 << 20}, File: filepath.Join(t.TempDir(), "uploads"),
		Now: func() time.Time { return now },
	}
	useUp := func(k *Keeper) (sent int) {
		for k.Take(64 << 10) {
			sent += 64 << 10
		}
		return sent
	}
	k := New(o)
	useUp(k)
	k.Close()
	now = time.Unix(30, 0)
	k = New(o)
	k.count() // as Run does first
	n := useUp(k)
	now = at("2027-03-20 12:05")
	if n += useUp(k); n > 0 {
		t.Errorf("%d bytes more were sent in the same month", n)
	}
	now = at("2027-04-01 00:00")
	if useUp(k) != 10<<20 {
		t.Error("the next month does not begin")
	}
	k.Close()
	if k.tally.dirty {
		t.Error("a count is not durable though it is closed")
	}
}

// TestSetRules changes the rules while they hold.
func TestSetRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yes := func(context.Context) bool { return true }
		k := New(Options{
			Rules: Rules{Monthly: 1 << 20, Anyway: true}, Probes: Probes{Battery: yes}, Now: func() time.Time { return time.Now().UTC() },
		})
		said := make(chan string)
		ctx, stop := context.WithCancel(t.Context())
		go k.Run(ctx, func(v Verdict) { said <- v.Reason })
		for k.Take(1 << 18) {
		}
		for _, step := range []struct {
			rules Rules
			want  string
		}{
			{Rules{Monthly: 2 << 20, Anyway: true}, ""},
			{Rules{Monthly: 1, Anyway: true}, Monthly},
			{Rules{Anyway: true}, ""},
			{Rules{}, Battery},
			{Rules{Quiet: Hours{{0, day}}}, QuietHours},
			{Rules{Anyway: true}, ""},
		} {
			if step.rules.Monthly == 2<<20 {
				if got := <-said; got != Monthly {
					t.Errorf("at first: %q", got)
				}
			}
			begun := time.Now()
			k.SetRules(step.rules)
			if got := <-said; got != step.want || time.Since(begun) > 0 {
				t.Errorf("%+v: %q after %v, want %q", step.rules, got, time.Since(begun), step.want)
			}
		}
		stop()
	})
}

// TestShareAnyway does not even look.
func TestShareAnyway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		look := func(context.Context) bool { t.Error("it looks"); return true }
		k := New(Options{Rules: Rules{Anyway: true}, Probes: Probes{Battery: look, Metered: look}})
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
		defer stop()
		k.Run(ctx, func(v Verdict) { t.Errorf("it says %+v", v) })
	})
}

func TestNoKeeper(t *testing.T) {
	var k *Keeper
	k.GiveBack(1)
	k.Close()
	if !k.Take(1<<30) || k.Verdict() != (Verdict{}) {
		t.Error("a nil Keeper forbids")
	}
}
