#!/bin/sh
# Writes a made-up hour of logs of a provincial one-stop portal, with two attacks in it; see README.md.
# Needs a POSIX shell, awk, sort, cut and date. Same --now and --zone, same bytes.
set -eu

usage() {
    cat <<'EOF'
Usage: generate.sh OUTDIR [--now EPOCH] [--zone +HHMM]

Writes OUTDIR/auth.log (RFC 3164, as sshd and sudo log) and OUTDIR/access.log (combined, as nginx logs).

  OUTDIR        folder for the two files; made if absent, the files are overwritten
  --now EPOCH   the time of the last lines, in seconds since 1970 (default: now)
  --zone +HHMM  offset from UTC to write local times in (default: that of this machine)
EOF
}

fail() {
    printf 'generate.sh: %s\n' "$1" >&2
    usage >&2
    exit 2
}

out='' now=$(date +%s) zone=$(date +%z)
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --now) [ $# -ge 2 ] || fail '--now needs a number of seconds'; now=$2; shift ;;
        --zone) [ $# -ge 2 ] || fail '--zone needs an offset such as +0700'; zone=$2; shift ;;
        -*) fail "unknown option '$1'" ;;
        *) [ -z "$out" ] || fail "one OUTDIR only, not also '$1'"; out=$1 ;;
    esac
    shift
done
[ -n "$out" ] || fail 'OUTDIR is missing'
case $now in '' | *[!0-9]*) fail "'$now' is not a number of seconds since 1970" ;; esac
case $zone in [+-][0-9][0-9][0-9][0-9]) ;; *) fail "'$zone' is not an offset such as +0700" ;; esac
mkdir -p "$out"

# Each line is written behind its time in seconds, then sorted; the order of equal times is kept.
awk -v now="$now" -v zone="$zone" -v auth="$out/auth.tmp" -v access="$out/access.tmp" '
function random(n) { seed = (seed * 16807) % 2147483647; return seed % n }
function pick(list,    parts, n) { n = split(list, parts, " "); return parts[random(n) + 1] }

# Sets Y M D h m s of local time. Days to date after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
function civil(time,    days, rest, era, doe, yoe, doy, mp) {
    time += offset
    days = int(time / 86400); rest = time % 86400
    h = int(rest / 3600); m = int(rest / 60) % 60; s = rest % 60
    days += 719468
    era = int(days / 146097); doe = days % 146097
    yoe = int((doe - int(doe / 1460) + int(doe / 36524) - int(doe / 146096)) / 365)
    doy = doe - (365 * yoe + int(yoe / 4) - int(yoe / 100))
    mp = int((5 * doy + 2) / 153)
    D = doy - int((153 * mp + 2) / 5) + 1
    M = mp < 10 ? mp + 3 : mp - 9
    Y = yoe + era * 400 + (M <= 2)
}
function syslog(ago, program, text) {
    civil(now - ago)
    printf "%d\t%s %2d %02d:%02d:%02d motcua-web01 %s: %s\n", now - ago, month[M], D, h, m, s, program, text > auth
}
function request(ago, ip, method, target, status, size, referrer, agent) {
    civil(now - ago)
    printf "%d\t%s - - [%02d/%s/%d:%02d:%02d:%02d %s] \"%s %s HTTP/1.1\" %d %d \"%s\" \"%s\"\n",
        now - ago, ip, D, month[M], Y, h, m, s, zone, method, target, status, size, referrer, agent > access
}
function pid() { return 2000 + random(30000) }

BEGIN {
    seed = 20261121
    split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", month, " ")
    offset = (substr(zone, 2, 2) * 60 + substr(zone, 4, 2)) * 60
    if (substr(zone, 1, 1) == "-") offset = -offset

    # --- auth.log: an ordinary hour
    for (ago = 3600; ago >= 0; ago -= 60) {
        n = pid()
        syslog(ago, "CRON[" n "]", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)")
        syslog(ago, "CRON[" n "]", "pam_unix(cron:session): session closed for user root")
    }
    for (i = 0; i < 40; i++) {
        ago = 3590 - i * 89; n = pid(); user = pick("quantri vanhanh saoluu"); ip = "10.20.1." (5 + random(6))
        syslog(ago, "sshd[" n "]", "Accepted publickey for " user " from " ip " port " 40000 + random(20000) " ssh2: ED25519 SHA256:mJ0hT2q4zq1x8G7bY5nWc3dKf9aPsRvLu6eXoZiQwEk")
        syslog(ago, "sshd[" n "]", "pam_unix(sshd:session): session opened for user " user "(uid=1001) by (uid=0)")
        syslog(ago, "systemd-logind[812]", "New session " 300 + i " of user " user ".")
        if (i % 3 == 0) {
            syslog(ago - 9, "sudo", " " user " : TTY=pts/0 ; PWD=/home/" user " ; USER=root ; COMMAND=" (i % 2 ? "/usr/bin/systemctl status nginx" : "/usr/bin/tail -n 50 /var/log/nginx/error.log"))
            syslog(ago - 9, "sudo", "pam_unix(sudo:session): session opened for user root(uid=0) by " user "(uid=1001)")
            syslog(ago - 9, "sudo", "pam_unix(sudo:session): session closed for user root")
        }
        syslog(ago - 40, "sshd[" n "]", "Received disconnect from " ip " port 50022:11: disconnected by user")
        syslog(ago - 40, "sshd[" n "]", "pam_unix(sshd:session): session closed for user " user)
    }
    # Someone mistypes, and bots of the Internet try once or twice each: nothing to raise.
    for (i = 0; i < 3; i++) syslog(2400 - i * 6, "sshd[8801]", "Failed password for vanhanh from 10.20.1.7 port 51144 ssh2")
    syslog(2375, "sshd[8801]", "Accepted password for vanhanh from 10.20.1.7 port 51144 ssh2")
    for (i = 0; i < 12; i++) {
        n = pid(); user = pick("admin test oracle ubuntu"); ip = "192.0.2." (10 + i * 7)
        syslog(3500 - i * 280, "sshd[" n "]", "Invalid user " user " from " ip " port " 30000 + random(9000))
        syslog(3498 - i * 280, "sshd[" n "]", "Failed password for invalid user " user " from " ip " port " 30000 + random(9000) " ssh2")
    }

    # --- auth.log: the break-in
    for (i = 0; i < 60; i++) {
        n = pid(); ago = 900 - i * 3; port = 41000 + i * 2
        user = i % 3 == 0 ? "root" : i % 3 == 1 ? "invalid user admin" : "vanthu"
        if (i % 3 == 1) syslog(ago, "sshd[" n "]", "Invalid user admin from 203.0.113.77 port " port)
        syslog(ago, "sshd[" n "]", "Failed password for " user " from 203.0.113.77 port " port " ssh2")
        syslog(ago, "sshd[" n "]", "Connection closed by authenticating user " (i % 3 ? "vanthu" : "root") " 203.0.113.77 port " port " [preauth]")
    }
    syslog(700, "sshd[31337]", "Accepted password for vanthu from 203.0.113.77 port 41200 ssh2")
    syslog(700, "sshd[31337]", "pam_unix(sshd:session): session opened for user vanthu(uid=1010) by (uid=0)")
    syslog(660, "sudo", "  vanthu : user NOT in sudoers ; TTY=pts/3 ; PWD=/home/vanthu ; USER=root ; COMMAND=/bin/bash")

    # --- access.log: an ordinary hour
    firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0"
    phone = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36"
    google = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    home = "https://motcua.example.gov.vn/"
    for (i = 0; i < 1050; i++) {
        ago = 3600 - int(i * 3600 / 1050); ip = "192.0.2." (1 + random(250)); agent = random(3) ? firefox : phone; kind = random(20)
        if (kind < 6) request(ago, ip, "GET", pick("/ /gioi-thieu /thu-tuc-hanh-chinh /tin-tuc /lien-he /huong-dan"), 200, 8000 + random(30000), "-", agent)
        else if (kind < 10) request(ago, ip, "GET", "/tra-cuu?ma=000.00.00.H40-261121-" sprintf("%04d", random(9999)), 200, 2300 + random(900), home, agent)
        else if (kind < 14) request(ago, ip, "GET", pick("/css/cong.css /js/cong.js /images/quoc-huy.png /favicon.ico"), random(3) ? 304 : 200, random(20000), home, agent)
        else if (kind < 16) request(ago, ip, "POST", "/dang-nhap", 302, 0, home "dang-nhap", agent)
        else if (kind < 17) request(ago, ip, "POST", "/hoi-dap/upload?filename=" pick("don-de-nghi.pdf cccd.jpg so-do.png"), 200, 61, home "hoi-dap", agent)
        else if (kind < 18) request(ago, ip, "GET", "/uploads/2026/11/" pick("thong-bao.pdf lich-tiep-dan.jpg ke-hoach.docx"), 200, 90000 + random(90000), home, agent)
        else if (kind < 19) request(ago, "66.249.66.1", "GET", "/tin-tuc/" 1000 + random(900), 200, 15000 + random(9000), "-", google)
        else request(ago, ip, "GET", pick("/anh-cu.jpg /robots.txt /apple-touch-icon.png /tin-tuc/cu"), 404, 153, "-", agent)
    }

    # --- access.log: scan, attacks, upload of a web shell, its use
    bad = "198.51.100.66"; chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36"
    for (i = 0; i < 160; i++) request(540 - int(i * 0.7), bad, "GET", "/" pick("admin wp-login backup old test phpmyadmin console api private db") i pick(".php .bak .zip / .sql"), i % 8 ? 404 : 403, 153, "-", chrome)
    for (i = 0; i < 5; i++) request(425 - i, bad, "GET", "/van-ban?id=" i, 200, 5100, "-", "sqlmap/1.8.11#stable (https://sqlmap.org)")
    for (i = 0; i < 14; i++) request(410 - i * 4, bad, "GET", "/van-ban?id=" i "%20union%20all%20select%20null," i "--%20-", i % 5 ? 403 : 500, 530, "-", chrome)
    for (i = 0; i < 8; i++) request(340 - i * 5, bad, "GET", "/tai-ve?tep=..%2f..%2f..%2f..%2fetc%2fpasswd&lan=" i, 403, 153, "-", chrome)
    request(240, bad, "GET", "/hoi-dap", 200, 9120, "-", chrome)
    request(225, bad, "POST", "/hoi-dap/upload?filename=anh-the.php", 200, 61, home "hoi-dap", chrome)
    request(210, bad, "GET", "/uploads/2026/11/anh-the.php", 200, 12, "-", chrome)
    for (i = 0; i < 6; i++) request(190 - i * 22, bad, "POST", "/uploads/2026/11/anh-the.php", 200, 180 + i * 37, "-", chrome)
    request(60, bad, "GET", "/uploads/2026/11/anh-the.php?cmd=whoami", 200, 9, "-", chrome)
}' </dev/null

for name in auth access; do
    sort -s -n -k 1,1 "$out/$name.tmp" | cut -f 2- >"$out/$name.log"
    rm -f "$out/$name.tmp"
done
