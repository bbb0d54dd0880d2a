# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coordctl_global_optspecs
    string join \n c/cluster= socket= h/help V/version
end

function __fish_coordctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coordctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coordctl_using_subcommand
    set -l cmd (__fish_coordctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coordctl -n "__fish_coordctl_needs_command" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_needs_command" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_needs_command" -s h -l help -d 'Print help'
complete -c coordctl -n "__fish_coordctl_needs_command" -s V -l version -d 'Print version'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "init" -d 'Writes a spec to read, edit and keep in git'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "validate" -d 'Says whether specs are good'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "schema" -d 'Prints the JSON Schema of a spec, for editors'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "plan" -d 'Shows what a spec would change, and changes nothing'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "apply" -d 'Makes a spec the wanted one'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "enroll" -d 'Lets a node in: prints the lines to run on it, then shows what happens there'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "approve" -d 'Takes the address that a node has, where it differs from the spec'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "node" -d 'Lists nodes, or ends the identity of one'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "status" -d 'Shows whether a cluster is well, and until when'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "certs" -d 'Shows every certificate: what is served, who signed it, when it ends and when it is renewed; worst first'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "rotate" -d 'Gives nodes new keys and certificates; nothing restarts'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "client" -d 'Makes a client certificate of etcd for a person or a program'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "env" -d 'Prints the ETCDCTL_* variables, with all endpoints'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "hosts" -d 'Prints the members\' names as lines of /etc/hosts'
complete -c coordctl -n "__fish_coordctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coordctl -n "__fish_coordctl_using_subcommand init" -l domain -d 'Members are NODE.DOMAIN' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand init" -l members -d 'The nodes\' host names' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand init" -l network -d 'Where the nodes\' addresses lie [default: the network of this machine]' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand init" -l out -d 'Write it there instead' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand init" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand init" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand validate" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand validate" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand schema" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand schema" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand plan" -s o -l output -d 'How it is shown' -r -f -a "table\t'For people'
json\t'For programs; carries `apiVersion`'
yaml\t'The same as YAML'
name\t'Names only, a line each'"
complete -c coordctl -n "__fish_coordctl_using_subcommand plan" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand plan" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand apply" -l accept-risk -d 'Accept this for the cluster of the spec; it is kept, and written to the audit log' -r -f -a "known-bad-etcd\t'A release of etcd that is known to be bad'"
complete -c coordctl -n "__fish_coordctl_using_subcommand apply" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand apply" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -l out -d 'Where the tokens of --all go: files of mode 0600' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -l valid-for -d 'How long the token is good' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -l file -d 'Write the token into this file (0600) and do not show it' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -l all -d 'Every node of the spec that has not joined: writes NODE.token into the folder given by --out, and ends'
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -l replace -d 'Its card was lost or written anew: the new identity takes the place of the old one'
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -l no-wait -d 'Print the lines and end'
complete -c coordctl -n "__fish_coordctl_using_subcommand enroll" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand approve" -l address -d 'Which address [default: the only one that its eth0 had]' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand approve" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand approve" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and not __fish_seen_subcommand_from list deny help" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and not __fish_seen_subcommand_from list deny help" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and not __fish_seen_subcommand_from list deny help" -s h -l help -d 'Print help'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and not __fish_seen_subcommand_from list deny help" -f -a "list" -d 'Shows who has an identity, and until when'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and not __fish_seen_subcommand_from list deny help" -f -a "deny" -d 'Ends a node\'s identity for good: its streams close within a second'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and not __fish_seen_subcommand_from list deny help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from list" -s o -l output -d 'How it is shown' -r -f -a "table\t'For people'
json\t'For programs; carries `apiVersion`'
yaml\t'The same as YAML'
name\t'Names only, a line each'"
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from list" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from list" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from deny" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from deny" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from deny" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from help" -f -a "list" -d 'Shows who has an identity, and until when'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from help" -f -a "deny" -d 'Ends a node\'s identity for good: its streams close within a second'
complete -c coordctl -n "__fish_coordctl_using_subcommand node; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coordctl -n "__fish_coordctl_using_subcommand status" -l timeout -d 'How long to wait' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand status" -s o -l output -d 'How it is shown' -r -f -a "table\t'For people'
json\t'For programs; carries `apiVersion`'
yaml\t'The same as YAML'
name\t'Names only, a line each'"
complete -c coordctl -n "__fish_coordctl_using_subcommand status" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand status" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand status" -l watch -d 'Show it again each time that something changes'
complete -c coordctl -n "__fish_coordctl_using_subcommand status" -l wait -d 'Wait until every member is healthy'
complete -c coordctl -n "__fish_coordctl_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand certs" -s o -l output -d 'How it is shown' -r -f -a "table\t'For people'
json\t'For programs; carries `apiVersion`'
yaml\t'The same as YAML'
name\t'Names only, a line each'"
complete -c coordctl -n "__fish_coordctl_using_subcommand certs" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand certs" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand certs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand rotate" -l node -d 'Only this node; may be given several times' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand rotate" -l profile -d 'Only certificates of this kind: agent, server, peer or client; may be given several times' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand rotate" -l timeout -d 'How long to wait' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand rotate" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand rotate" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand rotate" -l all -d 'All certificates of all nodes'
complete -c coordctl -n "__fish_coordctl_using_subcommand rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand client" -l out -d 'Where the files go' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand client" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand client" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand client" -l split -d 'The key in a file of its own: client-key.pem'
complete -c coordctl -n "__fish_coordctl_using_subcommand client" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand env" -l certs -d 'The folder with ca.pem and client.pem, as `coordctl client` writes it; on a node it is /etc/etcd' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand env" -l shell -d 'How they are written' -r -f -a "sh\t'`export A=\'b\'`'
fish\t'`set -gx A \'b\'`'
dotenv\t'`A=b`'"
complete -c coordctl -n "__fish_coordctl_using_subcommand env" -s o -l output -d 'As such lines, or for a program' -r -f -a "table\t'For people'
json\t'For programs; carries `apiVersion`'
yaml\t'The same as YAML'
name\t'Names only, a line each'"
complete -c coordctl -n "__fish_coordctl_using_subcommand env" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand env" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand env" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand hosts" -l into -d 'Keep them in this file, in a marked block: the rest of it stays as it is' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand hosts" -s o -l output -d 'As such lines, or for a program' -r -f -a "table\t'For people'
json\t'For programs; carries `apiVersion`'
yaml\t'The same as YAML'
name\t'Names only, a line each'"
complete -c coordctl -n "__fish_coordctl_using_subcommand hosts" -s c -l cluster -d 'Which cluster; may be left out when there is one' -r
complete -c coordctl -n "__fish_coordctl_using_subcommand hosts" -l socket -d 'Where the coordinator listens' -r -F
complete -c coordctl -n "__fish_coordctl_using_subcommand hosts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "init" -d 'Writes a spec to read, edit and keep in git'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "validate" -d 'Says whether specs are good'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "schema" -d 'Prints the JSON Schema of a spec, for editors'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "plan" -d 'Shows what a spec would change, and changes nothing'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "apply" -d 'Makes a spec the wanted one'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "enroll" -d 'Lets a node in: prints the lines to run on it, then shows what happens there'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "approve" -d 'Takes the address that a node has, where it differs from the spec'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "node" -d 'Lists nodes, or ends the identity of one'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "status" -d 'Shows whether a cluster is well, and until when'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "certs" -d 'Shows every certificate: what is served, who signed it, when it ends and when it is renewed; worst first'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "rotate" -d 'Gives nodes new keys and certificates; nothing restarts'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "client" -d 'Makes a client certificate of etcd for a person or a program'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "env" -d 'Prints the ETCDCTL_* variables, with all endpoints'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "hosts" -d 'Prints the members\' names as lines of /etc/hosts'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and not __fish_seen_subcommand_from init validate schema plan apply enroll approve node status certs rotate client env hosts help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and __fish_seen_subcommand_from node" -f -a "list" -d 'Shows who has an identity, and until when'
complete -c coordctl -n "__fish_coordctl_using_subcommand help; and __fish_seen_subcommand_from node" -f -a "deny" -d 'Ends a node\'s identity for good: its streams close within a second'
