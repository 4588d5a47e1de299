//! Rarity: how likely a literal is to stand in an ordinary value.
//!
//! Of the literals that a rule cannot do without, the index watches for those that ordinary events
//! hold least often. A wrong guess costs time, never a hit.

use std::collections::HashMap;

use crate::glob::Anchor;
use crate::textset::Kind;

/// Texts that ordinary events are full of, folded; what stands in one of them is common.
const COMMON: &[&str] = &[
    r"c:\windows\system32\svchost.exe -k netsvcs -p",
    r"c:\windows\system32\cmd.exe /c ",
    r"c:\windows\syswow64\rundll32.exe",
    r"c:\windows\system32\windowspowershell\v1.0\powershell.exe -command ",
    r"c:\windows\explorer.exe",
    r"c:\windows\system32\wbem\wmiprvse.exe",
    r"c:\windows\system32\conhost.exe",
    r"c:\windows\system32\services.exe",
    r"c:\windows\system32\lsass.exe",
    r"c:\windows\system32\taskhostw.exe",
    r"c:\windows\system32\drivers\",
    r"c:\windows\temp\",
    r"c:\program files (x86)\microsoft\edge\application\msedge.exe",
    r"c:\program files\google\chrome\application\chrome.exe",
    r"c:\program files\common files\",
    r"c:\programdata\microsoft\windows defender\platform\msmpeng.exe",
    r"c:\users\public\appdata\local\temp\appdata\roaming\microsoft\windows\start menu\programs\",
    r"\registry\machine\software\microsoft\windows\currentversion\run",
    r"hklm\system\currentcontrolset\services\",
    r"hklm\software\microsoft\windows nt\currentversion\",
    r"hkcu\software\policies\microsoft\windows\",
    r"nt authority\system nt authority\local service",
    r"\device\harddiskvolume",
    "microsoft-windows-sysmon microsoft-windows-security-auditing",
    ".exe .dll .sys .tmp .log .txt .json .xml .conf .php .html .js .css .png",
    "/usr/bin/bash /bin/sh -c /usr/sbin/cron -f /usr/lib/systemd/systemd --user",
    "/usr/bin/python3 /usr/bin/sudo /usr/bin/cat /usr/bin/ls -la /usr/bin/grep /usr/bin/find",
    "/usr/bin/ssh /usr/sbin/sshd -d /usr/bin/curl /usr/bin/tar /usr/bin/chmod /usr/bin/rm -rf",
    "/var/log/syslog /var/log/auth.log /var/lib/ /var/www/html/ /etc/passwd /etc/cron /tmp/ /opt/",
    "/home/ /root/ /proc/self/ /dev/null /usr/share/ /usr/local/bin/ /run/user/1000",
    "mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) chrome/126.0",
    "safari/537.36 compatible; googlebot/2.1; +http://www.google.com/bot.html",
    "get / http/1.1 post /index.php?id=1 200 404 https://www. http://localhost /api/ /login /admin",
    "accepted password for root from 10. port ssh2 session opened for user by (uid=0)",
    "failed password for invalid user error warning info debug failure success true false",
    "pam_unix(sshd:session): session closed syslog kernel: started stopped service",
    "syscall execve openat yes no success exit arch=c000003e comm exe key=(null) type= msg=audit(",
];

/// Bits of surprise left to a literal that stands in a common text.
const COMMON_BITS: f32 = 3.0;
/// A literal is never held to be rarer than this many bits.
const BITS_MAX: f32 = 40.0;
/// Bits lost because a literal may stand at any place of a value.
const ANYWHERE_BITS: f32 = 6.0;

/// What is known of how often literals occur.
#[derive(Debug, Default)]
pub(crate) struct Rarity {
    /// How often each gram stands in the common texts and in the rules' own literals.
    grams: HashMap<[u8; 4], u32>,
}

impl Rarity {
    /// Learns the common texts.
    pub(crate) fn new() -> Self {
        let mut rarity = Self::default();
        for text in COMMON {
            rarity.learn(text.as_bytes(), 8);
        }
        rarity
    }

    /// Learns a literal of a rule: grams that many rules share cost a comparison for each.
    pub(crate) fn learn(&mut self, literal: &[u8], weight: u32) {
        for gram in literal.windows(4).filter_map(<[u8]>::first_chunk::<4>) {
            let seen = self.grams.entry(*gram).or_default();
            *seen = seen.saturating_add(weight);
        }
    }

    /// Returns the offset in a literal of the grams that are rarest, for a kind of search.
    pub(crate) fn window(&self, literal: &[u8], kind: Kind) -> usize {
        let cost = |gram: &[u8]| {
            let seen = gram.first_chunk::<4>().and_then(|gram| self.grams.get(gram));
            let plain = gram.iter().map(|byte| 8 - bits(*byte) as u32).sum::<u32>();
            seen.copied().unwrap_or(0) * 32 + plain
        };
        let costs: Vec<u32> = literal.windows(kind.bytes()).map(cost).collect();
        let sums = costs.windows(kind.stride()).map(|window| window.iter().sum::<u32>());
        sums.enumerate().min_by_key(|(_, sum)| *sum).map_or(0, |(offset, _)| offset)
    }

    /// Returns the chance that a value holds a literal at a place, as guessed from its characters.
    pub(crate) fn chance(&self, anchor: Anchor, literal: &[u8]) -> f32 {
        let mut surprise: f32 = literal.iter().map(|byte| bits(*byte)).sum();
        if anchor == Anchor::Inside {
            surprise -= ANYWHERE_BITS;
            // What is found by one byte is met often.
            if Kind::of(literal.len()) == Kind::Single {
                surprise = surprise.min(4.0);
            }
        }
        if is_common(literal) {
            surprise = surprise.min(COMMON_BITS + literal.len() as f32 / 16.0);
        }
        0.5_f32.powf(surprise.clamp(0.5, BITS_MAX))
    }
}

fn is_common(literal: &[u8]) -> bool {
    COMMON.iter().any(|text| memchr::memmem::find(text.as_bytes(), literal).is_some())
}

/// Bits of surprise of a byte in an ordinary text.
fn bits(byte: u8) -> f32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 2.5,
        b'a'..=b'z' => 3.5,
        b' ' | b'\\' | b'/' | b'.' | b'-' => 2.0,
        b'0'..=b'9' => 3.0,
        0x80.. => 4.0,
        _ => 5.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_log_holds_is_common() {
        let rarity = Rarity::new();
        let common = rarity.chance(Anchor::End, br"\powershell.exe");
        let rare = rarity.chance(Anchor::Inside, b"invoke-mimikatz");
        assert!(rare < common / 1000.0, "{rare} {common}");
        assert!(rarity.chance(Anchor::Inside, b"-s") > rarity.chance(Anchor::Inside, b"-seed"));
    }

    #[test]
    fn grams_are_taken_where_they_are_rare() {
        let rarity = Rarity::new();
        let literal = br"c:\windows\system32\xyzzy~";
        assert!(rarity.window(literal, Kind::Four) >= literal.len() - 11);
        assert_eq!(rarity.window(b"abcdefg", Kind::Four), 0);
        assert_eq!(rarity.window(b"abcd", Kind::Three), 0);
    }
}
