//! The stable diagnostic codes; each has a page `docs/rules/CODE.md`.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        $($(#[$doc])* #[doc = $text] pub const $name: &str = $code;)*

        /// Every code with its one-line meaning, in order.
        pub const CODES: &[(&str, &str)] = &[$(($code, $text)),*];
    };
}

codes! {
    YAML_SYNTAX = "R001", "the text is not valid YAML";
    FILE_TOO_LARGE = "R002", "the file is larger than the bound";
    YAML_BOUNDS = "R003", "the document nests too deep or holds too many nodes";
    DUPLICATE_KEY = "R004", "a key stands twice in one map";
    NOT_A_RULE = "R005", "the document is not a map of rule keys";
    TAG_OR_MERGE = "R006", "YAML tags and merge keys are not supported";
    MISSING_KEY = "R010", "a required key is missing";
    WRONG_TYPE = "R011", "a key holds the wrong kind of value";
    UNKNOWN_MODIFIER = "R012", "the modifier is unknown";
    UNKNOWN_LEVEL = "R013", "the level is unknown";
    NO_IDENTITY = "R014", "id or level is missing, or the id is not a UUID";
    UNKNOWN_STATUS = "R015", "the status is unknown";
    MISSPELT_KEY = "R016", "a key looks like a misspelt one";
    BAD_CUSTOM = "R017", "a key under custom.vonglau is unknown or holds a wrong value";
    DUPLICATE_ID = "R018", "two documents have the same id or name";
    BAD_TAG = "R019", "a tag is not of the form namespace.name";
    CONDITION_SYNTAX = "R020", "the condition cannot be read";
    UNKNOWN_SEARCH = "R021", "the condition names a search that does not exist";
    UNUSED_SEARCH = "R022", "a search is not used by the condition";
    EMPTY_GROUP = "R023", "a pattern of the condition names no search";
    MODIFIER_COMBINATION = "R024", "these modifiers do not go together";
    VALUE_TYPE = "R025", "the value does not fit the field's modifiers";
    BAD_REGEX = "R026", "the regular expression cannot be used";
    BAD_CIDR = "R027", "the network is not in CIDR notation";
    EMPTY_DETECTION = "R028", "a search, map or list is empty";
    DETECTION_BOUNDS = "R029", "too many values, or a condition that nests too deep";
    UNDEFINED_PLACEHOLDER = "R030", "the rule uses a placeholder that is not defined";
    BAD_PLACEHOLDERS = "R031", "a list of a placeholder cannot be read";
    UNKNOWN_FILTERED = "R032", "a filter names a rule that was not loaded";
    FILTER_LOGSOURCE = "R033", "a filter names a rule of another logsource";
    FILTER_WITHOUT_NOT = "R034", "a filter leaves nothing out, but keeps only what it describes";
    BAD_DATE = "R035", "a date is not written YYYY-MM-DD";
    BAD_RELATED = "R036", "a relation to another rule cannot be read";
    BAD_ACTION = "R037", "the action of a collection is unknown or has nothing to repeat";
    OLD_COLLECTION = "R038", "rule collections are no longer part of Sigma";
    TAXONOMY_UNSUPPORTED = "R042", "the taxonomy of the document is not known";
    CONDITION_UNSUPPORTED = "R043", "this form of condition is not supported";
    CORRELATION_TYPE = "R050", "the correlation type is unknown";
    BAD_TIMESPAN = "R051", "the timespan is not a number with a unit";
    BAD_THRESHOLD = "R052", "the correlation condition is not a comparison with a number";
    UNKNOWN_RULE = "R053", "the correlation refers to a rule that does not exist";
    MISSING_FIELD = "R054", "the value_ types need the field they look at, other types take none";
    BAD_ALIAS = "R055", "an alias does not map rules to fields";
    RULE_EXPRESSION = "R056", "the condition over rule names cannot be read";
    CORRELATION_CIRCLE = "R057", "correlations refer to each other in a circle";
    CORRELATION_BOUNDS = "R058", "the correlation asks for more than can be counted";
    HOLDS_AT_ONCE = "R059", "the correlation condition holds for a single hit already";
    EMPTY_LOGSOURCE = "R060", "the logsource says nothing";
    UNMAPPED_LOGSOURCE = "R061", "no log of this product has this logsource";
    BAD_CASE = "R070", "a case file cannot be read";
    NO_CASES = "R071", "the rule has no cases";
    FAILED_CASE = "R072", "a case does not come out as it says";
    UNREADABLE_FILE = "R073", "a file or folder cannot be read";
}

/// Returns the one-line meaning of a code.
#[must_use]
pub fn meaning(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn codes_are_unique_and_ordered() {
        assert!(super::CODES.is_sorted_by(|(a, _), (b, _)| a < b));
        assert_eq!(super::meaning("R012"), Some("the modifier is unknown"));
    }
}
