//! Rarity: how likely a literal is to stand in an ordinary value.
//!
//! Of the literals that a rule cannot do without, the index watches for those that ordinary events
//! hold least often. A wrong guess costs time, never a hit.

use crate::glob::Anchor;
use crate::textset::{Kind, spread};

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

/// Counters of grams. Two grams that share one only seem more common than they are.
const COUNTERS_LOG2: u32 = 15;
/// What a common text adds to a counter: more than the rules' own literals ever do.
const COMMON_WEIGHT: u32 = 1 << 20;

/// What is known of how often literals occur.
#[derive(Debug)]
pub(crate) struct Rarity {
    /// How often each gram stands in the common texts and in the rules' own literals.
    grams: Vec<u32>,
}

impl Default for Rarity {
    fn default() -> Self {
        Self { grams: vec![0; 1 << COUNTERS_LOG2] }
    }
}

fn counter(gram: [u8; 4]) -> usize {
    (spread(u32::from_le_bytes(gram)) >> (32 - COUNTERS_LOG2)) as usize
}

impl Rarity {
    /// Learns the common texts.
    pub(crate) fn new() -> Self {
        let mut rarity = Self::default();
        for text in COMMON {
            rarity.learn(text.as_bytes(), COMMON_WEIGHT);
        }
        rarity
    }

    /// Learns a literal of a rule: grams that many rules share cost a comparison for each.
    pub(crate) fn learn(&mut self, literal: &[u8], weight: u32) {
        for gram in literal.array_windows::<4>() {
            let seen = &mut self.grams[counter(*gram)];
            *seen = seen.saturating_add(weight);
        }
    }

    /// Returns the offset in a literal of the grams that are rarest, for a kind of search.
    pub(crate) fn window(&self, literal: &[u8], kind: Kind) -> usize {
        let cost = |gram: &[u8]| {
            let seen = gram.first_chunk::<4>().map_or(0, |gram| self.grams[counter(*gram)]);
            let plain = gram.iter().map(|byte| 8 - bits(*byte) as u32).sum::<u32>();
            u64::from(seen) * 32 + u64::from(plain)
        };
        let mut best = (u64::MAX, 0);
        for offset in 0..=literal.len().saturating_sub(kind.bytes() + kind.stride() - 1) {
            let grams = (offset..offset + kind.stride())
                .filter_map(|at| literal.get(at..at + kind.bytes()));
            best = best.min((grams.map(cost).sum(), offset));
        }
        best.1
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
        if self.is_common(literal) {
            surprise = surprise.min(COMMON_BITS + literal.len() as f32 / 16.0);
        }
        (-surprise.clamp(0.5, BITS_MAX)).exp2()
    }

    /// Says whether a literal stands in a common text, as far as its grams tell.
    fn is_common(&self, literal: &[u8]) -> bool {
        literal.len() >= 4
            && literal.array_windows::<4>().all(|gram| self.grams[counter(*gram)] >= COMMON_WEIGHT)
    }
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
