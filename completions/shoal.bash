# bash completion for shoal(1)

_shoal() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb='' word
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
			fetch | get | resume | verify | seed | create | show | status | stop | pause | continue | set | doctor | demo | man | completion | version | help)
				verb=$word
				break
				;;
		esac
	done

	local look='--quiet --verbose --json --no-progress --color'
	local trust='--id --pubkey'
	local server='--header --user-agent --netrc --proxy --cacert --cert --key --insecure --timeout'
	local transfer="$server --mirror --connections --retries --limit-down --background --deadline"
	local serving='--peer --no-dht --no-lan --seed-time --seed-idle --seed-ratio
		--limit-up --max-upload --monthly-upload --quiet-hours --share-anyway --listen --dht-bootstrap --dht-private'
	local swarm="$serving --prefer --no-share --http-only"
	local flags=''
	case $verb in
		'' | fetch | get)
			flags="--output --overwrite --recheck --no-resume --on-complete --explain $trust $transfer $swarm $look"
			;;
		resume) flags="--list --overwrite --recheck --on-complete $transfer $swarm $look" ;;
		verify) flags="--repair $trust $transfer $swarm $look" ;;
		seed) flags="--metrics --trust --recheck $trust $server $serving $look" ;;
		create)
			flags="--output --overwrite --mirror --peer --bootstrap --discovery --name --comment --piece-size
				--salt --modified --zstd --sign $look"
			;;
		show) flags="$trust $server $look" ;;
		status) flags="--watch $look" ;;
		stop | pause | continue | set) flags="--all $look" ;;
		doctor) flags="--output $trust $transfer $swarm $look" ;;
		demo) flags=$look ;;
	esac

	local limits='limit-down= limit-up= max-upload= connections= seed-time= seed-idle= seed-ratio= monthly-upload= quiet-hours= share-anyway='
	local words=''
	case $prev in
		--color) words='auto always never' ;;
		--prefer) words='auto speed peers' ;;
		--discovery) words='dht lan dht,lan none' ;;
		--salt) words='random' ;;
		-o | --output | --pubkey | --cacert | --cert | --key | --sign) ;; # a file
		completion) words='bash zsh fish' ;;
		set) words="$flags --help $limits" ;;
		*)
			case $cur in
				-*) words="$flags --help" ;;
				*)
					case $verb in
						'' | help) words='fetch get resume verify seed create show status stop pause continue set doctor demo man completion version help' ;;
						set) words=$limits ;;
					esac
					;;
			esac
			;;
	esac
	# An empty answer lets bash complete file names.
	[[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))
	return 0
}

complete -o bashdefault -o default -F _shoal shoal
