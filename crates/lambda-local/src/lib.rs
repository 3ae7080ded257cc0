//! AWS Lambda on one machine, without Docker, from the SAM template that also deploys to AWS.
//!
//! Functions run as processes that speak the Runtime API, are invoked through the Invoke API, function URLs and Kafka
//! event sources, and meet the limits, time-outs and errors they would meet on AWS. It knows nothing of what the
//! functions do.
//!
//! Pure cores decide, thin shells act: [`pool`] (who runs what where), [`template`] (what there is to run) and the
//! cores of [`event_source`] take the time as an argument and are driven by simulations in their tests; [`local`] puts
//! everything together behind one listener.

pub mod clock;
mod environment;
pub mod event_source;
pub mod function;
mod function_log;
mod function_url;
pub mod gateway;
mod http_client;
mod http_server;
pub mod invocation;
mod invoke_api;
pub mod local;
pub mod polling;
pub mod pool;
pub mod program;
mod report;
mod runtime_api;
mod status;
pub mod template;
mod waiting;
