package quota

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// System are the probes of this system.
func System(getenv func(string) string) Probes {
	return Probes{
		Battery: func(context.Context) bool { return onBattery(os.DirFS("/sys/class/power_supply")) },
		Metered: func(ctx context.Context) bool { return metered(ctx, busSocket(getenv("DBUS_SYSTEM_BUS_ADDRESS"))) },
	}
}

// busPatience is how long the system's message bus may take.
const busPatience = 200 * time.Millisecond

// busSocket is the socket of the first address in a list as D-Bus writes it, or
// where the system's bus is else.
func busSocket(addresses string) string {
	address, _, _ := strings.Cut(addresses, ";")
	keys, _ := strings.CutPrefix(address, "unix:")
	for key := range strings.SplitSeq(keys, ",") {
		if path, ok := strings.CutPrefix(key, "path="); ok {
			return path
		}
		if name, ok := strings.CutPrefix(key, "abstract="); ok {
			return "@" + name
		}
	}
	return "/run/dbus/system_bus_socket"
}

// metered asks NetworkManager whether the way to the Internet is metered, if it
// runs and answers soon.
func metered(ctx context.Context, socket string) bool {
	ctx, cancel := context.WithTimeout(ctx, busPatience)
	defer cancel()
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	defer nc.Close()
	// The library asks some things without a context.
	late, _ := ctx.Deadline()
	if err := nc.SetDeadline(late); err != nil {
		return false
	}
	bus, err := dbus.NewConn(nc, dbus.WithContext(ctx))
	if err != nil {
		return false
	}
	defer func() { _ = bus.Close() }()
	if bus.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}) != nil || bus.Hello() != nil {
		return false
	}
	const name = "org.freedesktop.NetworkManager"
	var answer dbus.Variant
	err = bus.Object(name, "/org/freedesktop/NetworkManager").CallWithContext(ctx,
		"org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, name, "Metered").Store(&answer)
	value, ok := answer.Value().(uint32)
	return err == nil && ok && isMetered(value)
}

// isMetered reads an NMMetered: it is, or NetworkManager thinks so.
func isMetered(value uint32) bool {
	const yes, guessYes = 1, 3
	return value == yes || value == guessYes
}
