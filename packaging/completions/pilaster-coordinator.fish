complete -c pilaster-coordinator -l listen -d 'Where agents reach it' -r
complete -c pilaster-coordinator -l advertise -d 'What agents are told to dial; may be given several times [default: the addresses of this machine]' -r
complete -c pilaster-coordinator -l repository -d 'A folder of `cargo xtask repository`, whose packages nodes may fetch; without it none are given out' -r -F
complete -c pilaster-coordinator -l repository-listen -d 'Where nodes fetch packages, over plain HTTP: apk verifies what it gets by its signature' -r
complete -c pilaster-coordinator -l socket -d 'Where coordctl reaches it' -r -F
complete -c pilaster-coordinator -l state -d 'Where the CAs and the store lie' -r -F
complete -c pilaster-coordinator -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pilaster-coordinator -s V -l version -d 'Print version'
