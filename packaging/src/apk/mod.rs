//! Packages and repositories as apk reads them, made without apk: [`package`] reads an .apk,
//! [`index`] writes the index (both pure), [`sign`] has the key and signatures, [`repository`] puts
//! a folder together that `pilaster-coordinator --repository` serves.
//!
//! The format is v2 (apk-tools: src/package.c), which apk 2.14 (Alpine 3.20 to 3.22) and 3.0 read:
//! a file is gzip members in a row, the first with the signature, the second with `.PKGINFO` and
//! the scripts, the rest with the files.

mod index;
mod package;
mod repository;
mod sign;

pub(crate) use repository::make_repository;
pub(crate) use sign::make_key;
