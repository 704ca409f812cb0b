//! Reading and writing the CBOR of CTAP2 commands (CTAP 2.1 §8).

use super::ctap2::Status;
use ciborium::Value;

/// A map of a command. Reading what is absent or of another type is an error of the platform.
pub(super) struct Map(Vec<(Value, Value)>);

impl Map {
    /// The parameters of a command; none at all is an empty map.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Status> {
        if bytes.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let value = ciborium::from_reader(bytes).map_err(|_| Status::INVALID_CBOR)?;
        Self::of(&value)
    }

    pub(super) fn of(value: &Value) -> Result<Self, Status> {
        value
            .as_map()
            .cloned()
            .map(Self)
            .ok_or(Status::UNEXPECTED_TYPE)
    }

    pub(super) fn get(&self, key: impl Into<Value>) -> Option<&Value> {
        let key = key.into();
        self.0
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    pub(super) fn map(&self, key: impl Into<Value>) -> Result<Self, Status> {
        Self::of(self.need(key)?)
    }

    /// A map that may be left out.
    pub(super) fn map_or_empty(&self, key: impl Into<Value>) -> Result<Self, Status> {
        self.get(key).map_or(Ok(Self(Vec::new())), Self::of)
    }

    /// An array of maps that may be left out.
    pub(super) fn maps(&self, key: impl Into<Value>) -> Result<Vec<Self>, Status> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        value
            .as_array()
            .ok_or(Status::UNEXPECTED_TYPE)?
            .iter()
            .map(Self::of)
            .collect()
    }

    pub(super) fn bytes(&self, key: impl Into<Value>) -> Result<&[u8], Status> {
        self.need(key)?
            .as_bytes()
            .map(Vec::as_slice)
            .ok_or(Status::UNEXPECTED_TYPE)
    }

    pub(super) fn text(&self, key: impl Into<Value>) -> Result<&str, Status> {
        self.need(key)?.as_text().ok_or(Status::UNEXPECTED_TYPE)
    }

    pub(super) fn int(&self, key: impl Into<Value>) -> Result<i64, Status> {
        int(self.need(key)?)
    }

    /// A number that has a value when it is left out.
    pub(super) fn int_or(&self, key: impl Into<Value>, default: i64) -> Result<i64, Status> {
        self.get(key).map_or(Ok(default), int)
    }

    /// An option: present or not, true or false.
    pub(super) fn flag(&self, key: impl Into<Value>) -> Result<Option<bool>, Status> {
        self.get(key)
            .map(|value| value.as_bool().ok_or(Status::UNEXPECTED_TYPE))
            .transpose()
    }

    fn need(&self, key: impl Into<Value>) -> Result<&Value, Status> {
        self.get(key).ok_or(Status::MISSING_PARAMETER)
    }
}

fn int(value: &Value) -> Result<i64, Status> {
    let number = value.as_integer().ok_or(Status::UNEXPECTED_TYPE)?;
    i64::try_from(number).map_err(|_| Status::INVALID_PARAMETER)
}

/// A map with the entries in this order: the caller keeps CTAP's canonical one.
pub(super) fn map<K: Into<Value>, const N: usize>(entries: [(K, Value); N]) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

/// A byte string.
pub(super) fn bytes(content: impl Into<Vec<u8>>) -> Value {
    Value::Bytes(content.into())
}

/// Encodes a value. Writing to memory does not fail; if it did, the key would be broken.
pub(super) fn encode(value: &Value) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).map_err(|_| Status::OTHER)?;
    Ok(out)
}
