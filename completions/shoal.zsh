#compdef shoal
# zsh completion for shoal(1)

_shoal() {
	local -a verbs look trust server transfer serving swarm output overwrite keep
	verbs=(
		'fetch:download what a manifest describes'
		'get:download what a manifest describes'
		'resume:go on with interrupted downloads'
		'verify:check files against a manifest'
		'seed:serve content that is already here'
		'create:write a manifest'
		'show:say what a manifest says'
		'status:show running transfers'
		'stop:end a running transfer'
		'pause:let a transfer rest'
		'continue:let it go on'
		'set:change limits of a running transfer'
		'demo:play the whole story on loopback'
		'doctor:say whether this machine is up to it'
		'man:show the manual page'
		'completion:print completions for a shell'
		'version:show the version'
		'help:show help'
	)
	look=(
		'(-h --help)'{-h,--help}'[show help]'
		'(-q --quiet)'{-q,--quiet}'[errors only]'
		'(-v --verbose)'{-v,--verbose}'[say more]'
		'--json[JSON lines on stdout]'
		'--no-progress[no bar]'
		'--color=[when to use colour]:when:(auto always never)'
	)
	trust=(
		'--id=[content id to pin]:b3\:HEX'
		'--pubkey=[minisign key or its file]:key:_files'
	)
	server=(
		'*--header=[header to send]:K\:V'
		'--user-agent=[name to go by]:name'
		'--netrc[take passwords from netrc]'
		'--proxy=[proxy URL]:url'
		'--cacert=[PEM file of authorities]:file:_files'
		'--cert=[PEM file of the client certificate]:file:_files'
		'--key=[PEM file of its key]:file:_files'
		'--insecure[do not check certificates]'
		'--timeout=[silence that means dead]:duration'
	)
	transfer=(
		$server
		'*--mirror=[URL of a mirror]:url'
		'--connections=[most connections to one host]:number'
		'--retries=[tries after the first without progress]:number'
		'--limit-down=[bytes a second to receive]:rate'
		'--background[receive no more than other traffic leaves room for]'
		'--deadline=[time to give up after]:duration'
	)
	serving=(
		'*--peer=[address of a peer]:HOST\:PORT'
		'--no-dht[no DHT]'
		'--no-lan[no local network]'
		'--seed-time=[how long to serve]:duration'
		'--seed-idle=[how long to serve unasked]:duration'
		'--seed-ratio=[how much to serve]:ratio'
		'--limit-up=[bytes a second to send]:rate'
		'--max-upload=[most bytes to send]:size'
		'--monthly-upload=[most bytes to send in a month]:size'
		'--quiet-hours=[hours without uploads, such as 9-18]:hours'
		'--share-anyway[upload on battery and on a metered connection, too]'
		'--listen=[address to take peers at]:HOST\:PORT'
		'*--dht-bootstrap=[address of a DHT node]:HOST\:PORT'
		'--dht-private[a DHT of one'"'"'s own]'
	)
	swarm=(
		$serving
		'--prefer=[whom to fetch from]:whom:(auto speed peers)'
		'--no-share[never upload or announce]'
		'--http-only[mirrors alone]'
	)
	output=('(-o --output)'{-o+,--output=}'[where to write]:path:_files')
	overwrite=('--overwrite[replace what lies there]')
	keep=(
		'--recheck[hash again what is there]'
		'--on-complete=[command to run when in place]:command'
	)

	local curcontext=$curcontext state line
	local -A opt_args
	_arguments -C '(-h --help)'{-h,--help}'[show help]' '--version[show the version]' \
		'1:command:->verb' '*::argument:->rest'
	case $state in
		verb)
			_describe -t commands 'command' verbs
			_files -g '*.shoal'
			;;
		rest)
			curcontext=${curcontext%:*}:shoal-$words[1]:
			case $words[1] in
				fetch | get)
					_arguments $output $overwrite $keep '--no-resume[start over]' \
						'--explain[only say who would be contacted]' \
						$trust $transfer $swarm $look '*:manifest:_files -g "*.shoal"'
					;;
				resume)
					_arguments '--list[only list]' $overwrite $keep $transfer $swarm $look '*:path:_files'
					;;
				verify)
					_arguments '--repair[fetch the bad pieces]' $trust $transfer $swarm $look \
						'1:manifest:_files -g "*.shoal"' '2:path:_files'
					;;
				seed)
					_arguments '--metrics=[address to serve metrics at]:HOST\:PORT' '--trust[do not hash it first]' '--recheck[hash it in any case]' $trust $server $serving $look '*:manifest or path:_files'
					;;
				create)
					_arguments $output $overwrite '*--mirror=[URL of a mirror]:url' \
						'*--peer=[address of a peer]:HOST\:PORT' \
						'*--bootstrap=[address of a private DHT node]:HOST\:PORT' \
						'--discovery=[how others find peers]:how:(dht lan dht,lan none)' \
						'--name=[name of the content]:name' '--comment=[sentence for the reader]:text' \
						'--piece-size=[bytes a piece]:size' '--salt=[swarm of its own]:salt:(random)' \
						'--modified[record modification times]' '--zstd[compress the manifest]' \
						'--sign=[minisign secret key]:file:_files' $look '1:path:_files'
					;;
				show) _arguments $trust $server $look '1:manifest:_files -g "*.shoal"' ;;
				status) _arguments '--watch[again every second]' $look '1:id' ;;
				stop | pause | continue) _arguments '--all[all of them]' $look '1:id' ;;
				set)
					_arguments '--all[all of them]' $look \
						'*:limit:(limit-down= limit-up= max-upload= connections= seed-time= seed-idle= seed-ratio= monthly-upload= quiet-hours= share-anyway=)'
					;;
				doctor) _arguments $output $trust $transfer $swarm $look '1:manifest:_files -g "*.shoal"' ;;
				demo) _arguments $look ;;
				completion) _arguments '1:shell:(bash zsh fish)' ;;
				help) _describe -t commands 'command' verbs ;;
			esac
			;;
	esac
}

if [[ $funcstack[1] == _shoal ]]; then
	_shoal "$@"
else
	compdef _shoal shoal
fi
